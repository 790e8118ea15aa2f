"""Whether the code of src/model computes the features of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.errors import SlipwayError
from slipway.manifest import MODEL
from slipway.numbers import counted

if TYPE_CHECKING:
    from slipway.manifest import Manifest
    from slipway.project import Columns

NAMED = 5  # features that a message names

REBUILD = "rebuild the model with `dvc repro`, or restore the code that it was trained with"


def check_features(manifest: Manifest, features: Columns) -> None:
    """Raise SlipwayError if a feature of the model is not among those of the code.

    Parameters
    ----------
    features
        Those of some rows, as `project.features` returns them.
    """
    lacking = [each["name"] for each in manifest["features"] if each["name"] not in features]
    if lacking:
        more = f" and {len(lacking) - NAMED:,} more" if len(lacking) > NAMED else ""
        raise SlipwayError(
            f"{MODEL}: made from other features than src/model/features.py computes, which lacks "
            f"{counted(len(lacking), 'feature')}: {', '.join(lacking[:NAMED])}{more}",
            REBUILD,
        )
