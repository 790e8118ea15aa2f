"""Why a row was predicted as it was: the contribution of each feature, by the library `shap`."""
