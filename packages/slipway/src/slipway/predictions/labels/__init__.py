"""`slipway labels`: labels that arrive after the prediction."""
