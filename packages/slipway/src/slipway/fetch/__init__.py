"""`slipway log fetch`: copy the prediction log, and the model that wrote it, from a live target."""
