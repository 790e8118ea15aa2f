"""The check of a model against the code of src/model, with rows that the model keeps."""

from __future__ import annotations

from slipway.errors import Refused, SlipwayError
from slipway.explain.explainer import golden_features
from slipway.manifest import MODEL, Manifest
from slipway.training.computed import REBUILD, check_features


def verify_features(manifest: Manifest) -> None:
    """Raise SlipwayError if the code of src/model does not compute the features of a model.

    A manifest without golden rows is not checked.
    """
    if not manifest.get("golden"):
        return
    try:
        features = golden_features(manifest)
    except Refused as refused:  # the code reads a column that the model's rows do not have
        raise SlipwayError(f"{MODEL}: made by other code: {refused}", REBUILD) from None
    check_features(manifest, features)
