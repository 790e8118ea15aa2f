"""`slipway labels`: what became of the rows that were predicted, as it becomes known.

========== =====================================================================
`arrivals` a file of labels, read whole and believed only if all of it is right
`store`    the labels that have arrived: only ever added to, the latest counts
========== =====================================================================
"""
