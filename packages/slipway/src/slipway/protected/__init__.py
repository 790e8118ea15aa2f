"""The parts of a change that can decide its own verdict; a reviewer sees them first.

It needs nothing but Python, ruamel.yaml and packaging: the comment job runs it on the files of an
untrusted contributor, and `slipway judge` on the working tree.
"""
