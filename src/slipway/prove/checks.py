"""The judgement of what a release answered: one function for each check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One thing that a release must do, whether it did, and the numbers, in words."""

    name: str
    ok: bool
    words: str


@dataclass(frozen=True)
class Expected:
    """What was reviewed.

    Attributes
    ----------
    model_sha256, commit, data
        As the reviewed manifest and commit say.
    golden
        Some ``{"row": {...}, "probability": ...}``, as the training environment answered.
    """

    model_sha256: str
    commit: str
    data: str
    golden: Sequence[Mapping[str, Any]]
