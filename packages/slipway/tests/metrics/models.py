"""Labels and scores that the tests share."""

from __future__ import annotations

import numpy as np

_random = np.random.default_rng(20)
LABELS = (_random.random(400) < 0.3).astype("float32")
SCORES = np.clip(0.3 + 0.15 * LABELS + 0.2 * _random.standard_normal(400), 0.001, 0.999)
TIED = SCORES.round(1)
OTHER = np.clip(SCORES + 0.05 * _random.standard_normal(400), 0.001, 0.999)


def wins(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Every positive (row) against every negative (column): 1 won, 0.5 tied, 0 lost."""
    mine, theirs = scores[labels == 1][:, None], scores[labels == 0][None, :]
    return np.where(mine == theirs, 0.5, mine > theirs)


def two_models(
    random: np.random.Generator, rows: int, gap: float = 0.0, alike: float = 0.9
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (30% positive) and two models, correlated; the second separates `gap` less."""
    labels = (random.random(rows) < 0.3).astype("float64")
    shared = np.sqrt(alike) * random.standard_normal(rows)
    own = np.sqrt(1 - alike) * random.standard_normal((2, rows))
    return labels, shared + own[0] + 1.2 * labels, shared + own[1] + (1.2 - gap) * labels
