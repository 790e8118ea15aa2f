"""`slipway report`: render `report.json` for the terminal, Markdown and HTML.

Names, values and paths in a report may come from an untrusted pull request. Only `quote` and
`quote_text` of `slipway.untrusted` put them into a document.
"""
