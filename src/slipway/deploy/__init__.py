"""From an image to traffic, and back again.

========== ====================================================================
`run`      `slipway deploy`: chooses the target, tells the outcome
`swap`     the order of a release on an engine: start, prove, canary, all, drain
`rollback` the same for a release that ran before
`status`   what runs, and whether something is half done
`recover`  what a deployer that died has left
`stop`     takes it off the engine again
`engine`   names on an engine; network, volumes and proxy
`guard`    the one who changes something: lock, dead man's switch, the proxy's API
`slot`     starting a candidate, and waiting for it
`shadow`   the last logged requests, asked of the candidate
`canary`   a share of the traffic, compared every second
`site`     an engine with its lock held
`state`    what should run, kept in the proxy's own configuration
`reviewed` is the image the one that was reviewed?
`release`  the records of releases
`outcome`  what came of it, in words
`tell`     how a deployment ends, however it ends
========== ====================================================================
"""
