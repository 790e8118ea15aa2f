"""Yours: what a row is, what is predicted, how it learns, what it must never do.

The machine (`slipway`) reads these modules and nothing else of them:

=============== ================================================================
`schema`        `schema` (pandera), `KEY`, `EVENT_TIME`
`rules`         `RULES`: checks across the columns of one row
`target`        `NAME`, `label(columns)`
`features`      `features(columns)`
`estimator`     `build(params, categories)`
`slices`        `SLICES`: the groups in which the model is measured; `PROTECTED`:
                those that must be treated alike
`behaviours`    `BEHAVIOURS`: what the model must do, whatever it learned
`source`        `MONTHS`, `month(name)`: where a month's rows come from
=============== ================================================================

`columns` is always the same thing: a mapping from a column's name to a numpy array, all
of one length. Training hands over 200,000 rows, the service hands over one; because both
run this code, there is no second version of a feature that could disagree with the first.
"""
