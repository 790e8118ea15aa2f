"""May a model be released: is there a review of it, or has a person accepted it by hand?"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from slipway.errors import Refused, SlipwayError
from slipway.git import read_file
from slipway.github.api import Api
from slipway.github.bind import read_event
from slipway.github.history import Base, landed_since
from slipway.github.review import Review, find_reviews
from slipway.lock import LockVerdict, outputs, read_lock
from slipway.pointers import LOCK
from slipway.report.document import quote
from slipway.score import MODEL
from slipway.texts import parse_yaml

# A person names a model by at least as many digits as are shown.
SHORT = 12


@dataclass(frozen=True)
class Acceptance:
    """A person's decision to release a model of which no review can be found.

    Attributes
    ----------
    model
        The first digits of its sha256, as typed.
    by
        Who has decided.
    """

    model: str
    by: str


def check_review(
    root: Path,
    commit: str,
    before: Base,
    lock: LockVerdict,
    api: Api | None,
    accepted: Acceptance | None = None,
) -> Review:
    """Return the review of this model; on GitHub there is one, or a person has accepted it.

    Raises
    ------
    Refused
        It cannot be found, or it is one of another model.
    """
    if api is None:
        return Review(words="not asked: this does not run on GitHub")
    if accepted:
        return _accept(accepted, lock)
    branch = str(read_event()["repository"]["default_branch"])
    reviews = list(find_reviews(api, landed_since(root, before.commit, commit), branch))
    if missing := [review for review in reviews if not review.run]:
        raise _not_reviewed(missing[0].words, lock)
    # The newest pull request that was judged is the one that the model came by.
    judged = next((review for review in reviews if review.models), None)
    if judged is None:
        if before.released and same_model(root, before.commit):
            newest = next(iter(reviews), Review())
            return replace(newest, words=_released_before(newest, before))
        words = "; ".join(review.words for review in reviews) or "nothing was released before"
        raise _not_reviewed(words, lock)
    if not judged.models & {lock.recorded, lock.rebuilt}:
        raise Refused(
            f"#{judged.number} was reviewed with model {judged.sha256[:SHORT]}, and this commit "
            f"has {lock.rebuilt[:SHORT]}",
            "the branch has changed between the review and the merge: open a pull request "
            f"against what main is now, so that this model is reviewed; or, {_by_hand(lock)}",
        )
    return judged


def _accept(accepted: Acceptance, lock: LockVerdict) -> Review:
    models = (lock.recorded, lock.rebuilt)
    typed = accepted.model.lower()
    if not re.fullmatch(rf"[0-9a-f]{{{SHORT},64}}", typed) or not any(
        model.startswith(typed) for model in models
    ):
        raise Refused(
            f"model {quote(typed, 64)} was accepted, and this commit has {lock.recorded[:SHORT]}",
            _by_hand(lock),
        )
    return Review(words=f"none was looked for: {accepted.by} has accepted this model by hand")


def _not_reviewed(why: str, lock: LockVerdict) -> Refused:
    return Refused(
        f"no review of this model can be found: {why}",
        "if a pull request brought it, run its checks again (Re-run all jobs), then this job; "
        f"else propose the change by a pull request, or, {_by_hand(lock)}",
    )


def _by_hand(lock: LockVerdict) -> str:
    return (
        "if you have looked at this model yourself: Actions → Deploy → Run workflow with *model* "
        f"{lock.recorded[:SHORT]} (docs/release.md)"
    )


def _released_before(review: Review, before: Base) -> str:
    by = f"#{review.number} left the model as it is" if review.number else "no change since then"
    return f"{by}: released with `{before.commit[:7]}`"


def same_model(root: Path, commit: str) -> bool:
    return model_of(root, commit) == outputs(read_lock(root / LOCK))[str(MODEL)]


def model_of(root: Path, commit: str) -> str:
    """Return the md5 of the model that a commit's lock names, or '' if it names none."""
    try:
        stages = parse_yaml(read_file(root, commit, str(LOCK)) or "", str(LOCK))["stages"]
        return outputs(stages).get(str(MODEL), "")
    except (SlipwayError, KeyError, TypeError):
        return ""
