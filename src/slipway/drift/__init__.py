"""`slipway drift`: does what the service sees still look like what the model was measured on?

============ =====================================================================================
`records`    the log, block by block
`windows`    one tally for each day, on the reference's bins
`reference`  what the model's manifest remembers: profiles, seasons, how restless weeks are
`effect`     how far counts are from that
`detect`     which windows are further than the past explains, under one rate of false alarms
`runs`       the simulated table behind that rate
`joint`      what no single column shows
`volume`     how many predictions a day has
`performance` what labels say, and scores without labels
`alarms`     since when, until when
`words`      what moved, in words
`report`     the answer: JSON (``schema.json``), text, Markdown, HTML
`check`      the verb
============ =====================================================================================
"""

from slipway.drift.check import check, drift, log_place
from slipway.drift.effect import LARGE
from slipway.drift.report import Report, to_html, to_markdown, to_text

__all__ = ["LARGE", "Report", "check", "drift", "log_place", "to_html", "to_markdown", "to_text"]
