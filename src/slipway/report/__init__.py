"""`slipway report`: from `report.json` to what people read.

============== ==================================================================
`check`        believe a report only if it is well formed and its numbers carry its words
`words`        the verdict, its reasons and what to do, as sentences
`content`      a judgement as a document
`faults`       a validation report as a document
`document`     what a document is made of, and how foreign text is made harmless
`markdown`     a document as a comment or job summary
`html`         a document as one HTML file
============== ==================================================================

Names, values and paths come from whoever opened the pull request. They pass through
`document.quote`, and nothing else may put them into a document.
"""
