"""`slipway report`: from `report.json` to what people read.

============== ==================================================================
`check`        believe a report only if it is well formed and its numbers carry its words
`words`        the verdict and how sure it is, as sentences
`reasons`      what stops a change, and what to do about it
`content`      a judgement as a document
`details`      the parts of it that a reader unfolds
`faults`       why nothing was judged, as a document
`document`     what a document is made of, and how foreign text is made harmless
`markdown`     a document as a comment or job summary
`html`         a document as one HTML file
============== ==================================================================

Names, values and paths come from whoever opened the pull request. They pass through
`document.quote`, and nothing else may put them into a document.
"""
