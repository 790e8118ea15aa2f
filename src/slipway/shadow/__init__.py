"""What would another model have answered? Asked of real traffic, told to nobody who asked.

============ =====================================================================
`newest`     the last requests of a prediction log
`answer`     a model's answer to a logged request, beside the one that was given
`follow`     answers a log as it grows, for days: the challenger
`candidates` where the answering model runs: a model folder, a bento, an image, a container
`pairs`      both answers of many requests, as arrays
`compare`    agreement, flipped decisions and who they are, time, labels: the report
`render`     the report as text and as Markdown
`run`        `slipway shadow`
`challenger` the container that follows
============ =====================================================================

The image of the service holds the first three, and they need nothing that it has not.
"""
