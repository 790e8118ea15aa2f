"""`slipway judge`: compare the model of a change with the champion.

The report holds every number that the verdict follows from; `slipway.reports.check` checks it.
"""
