"""`slipway doctor`: what in this fork is not as it should be, and what to do about it.

============ =====================================================================
`finding`    one thing that was looked at
`local`      what this clone shows: lock, data remote, hooks, live target
`codeowners` whether the protected files have owners, and a file that names them
`remote`     what GitHub shows: workflows, variables, environments, rules, Pages
`run`        both, in order, as text and as an exit code
============ =====================================================================
"""
