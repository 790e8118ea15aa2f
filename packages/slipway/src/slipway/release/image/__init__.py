"""`slipway build --image`: the image that is deployed, its record and its SBOM.

The packages are unpacked on this machine (`packages`) into a folder with the bento's code
(`context`); Docker copies both onto the base image and compiles (`build`, `Dockerfile`); the image
is run to check its contents (`contents`); these are listed (`sbom`).
"""
