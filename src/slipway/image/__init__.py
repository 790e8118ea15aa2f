"""`slipway build --image`: the image that is deployed, and what is known about it.

The packages are unpacked on this machine (`packages`) and laid beside the bento's code
(`context`); Docker puts both on the base and compiles (`build`, `Dockerfile`); the image is then
run and asked what is inside (`inside`); what is in it is listed (`sbom`).
"""
