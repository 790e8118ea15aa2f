"""What a reviewer must see of a change before its verdict: whatever can decide that verdict.

============== ==================================================================
`paths`        which files are protected and why; the same list as a CODEOWNERS file
`packages`     whole entries of a requirements lock: versions, hashes, URLs, options
`pipeline`     what DVC would run or restore: commands, outputs, remote objects
`dangers`      all of it, found with any reader of two commits, the gravest first
============== ==================================================================

Nothing here needs more than Python, PyYAML and packaging: the comment job uses it on files of
an untrusted contributor, and `slipway judge` on the working tree.
"""
