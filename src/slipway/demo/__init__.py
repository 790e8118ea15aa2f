"""`slipway demo`: the whole loop on this machine, told as a story, in a copy of the repository.

Each step runs the verbs that a person or a workflow would run, and insists on the exit
code that the story needs: a bad change that is let through fails the demo.

========== =============================================================
`story`    the copy in which it plays, and how a verb is run there
`chapters` what happens, in order
`live`     a release on this machine's Docker, or a process without one
========== =============================================================
"""

from slipway.demo.chapters import demo

__all__ = ["demo"]
