"""`slipway judge`: is the model of this change better than the one that it would replace?

============== ==================================================================
`run`          from a base commit to `report.json`: all input and output is here
`opponents`    whom the challenger meets: the champion, and the best champion so far
`champion`     the model of another commit, restored or rebuilt, scored by its own code
`core`         everything measured, put together as the report
`compare`      metrics, the best champion so far, decisions that flip
`slices`       is one group of rows worse off?
`changes`      what the change changes: data, parameters, dependencies, code
`cost`         size, and the time for one row
`leaning`      which features a model leans on
`record`       judgements made so far: which holdout is used up, who was best
`verdict`      from numbers to words, and to whether the change may be merged
============== ==================================================================

What goes into a verdict is in the report, so `slipway.report.check` can draw it again.
"""
