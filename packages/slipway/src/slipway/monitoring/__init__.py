"""`slipway drift`: compare live traffic with the reference data, and measure performance."""
