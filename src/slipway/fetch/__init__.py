"""`slipway log`: the prediction log of a live target, and the model that wrote it, brought here.

======== ===================================================================
`pack`   runs inside the service's container, with nothing but Python there
`unpack` takes what that sends, as bytes from somewhere else
`fetch`  which container to ask, on an engine or in a cluster; or a bucket
`rehearse` no live target: months that the model has not seen, through the
         real service on this machine
======== ===================================================================
"""
