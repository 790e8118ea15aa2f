"""Check that a model was reviewed, or that a person has accepted it without a review."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from slipway.errors import Refused, SlipwayError
from slipway.github.api import Api
from slipway.github.find_pull_request import read_event
from slipway.github.last_release import Base, landed_since
from slipway.github.review import Review, find_reviews
from slipway.manifest import MODEL
from slipway.repository.git import read_file
from slipway.repository.pointers import LOCK, read_stages, stages_of
from slipway.reproduction.lock import outputs
from slipway.reproduction.reproduce import LockVerdict
from slipway.texts import parse_yaml
from slipway.untrusted import quote

# Digits of a sha256 that are shown, and the least that a person must type.
SHORT = 12


@dataclass(frozen=True)
class Acceptance:
    """A person's decision to release a model without a review.

    Attributes
    ----------
    model
        The first digits of its sha256, as typed.
    by
        Name of the person.
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
    """Return the review of this model; on GitHub it must exist, or a person must accept it.

    Raises
    ------
    Refused
        There is no review, or it is the review of another model.
    """
    if api is None:
        return Review(words="not checked: this is not a job of GitHub Actions")
    if accepted:
        return _accept(accepted, lock)
    branch = read_event().repository.default_branch
    reviews = list(find_reviews(api, landed_since(root, before.commit, commit), branch))
    if missing := [review for review in reviews if not review.run]:
        raise _not_reviewed(missing[0].words, lock)
    # The newest pull request with a report is the one that changed the model.
    judged = next((review for review in reviews if review.models), None)
    if judged is None:
        if before.released and same_model(root, before.commit):
            newest = next(iter(reviews), Review())
            return replace(newest, words=_released_before(newest, before))
        words = "; ".join(review.words for review in reviews) or "there is no earlier release"
        raise _not_reviewed(words, lock)
    if not judged.models & {lock.recorded, lock.rebuilt}:
        raise Refused(
            f"#{judged.number} was reviewed with model {judged.sha256[:SHORT]}, and this commit "
            f"has {lock.rebuilt[:SHORT]}",
            _review_again(lock),
        )
    _check_manifest(root, judged, lock)
    return judged


def _check_manifest(root: Path, judged: Review, lock: LockVerdict) -> None:
    """Raise unless the review is also of this manifest, which has the threshold and the rules.

    The report names the manifest that its run rebuilt. If another processor gave another manifest
    here, the lock must still name the model folder of the merge.
    """
    if not judged.manifest:
        raise Refused(
            f"the report of #{judged.number} does not name the manifest of its model: it was "
            "written by slipway 0.1",
            f"Re-run all jobs of the last run of #{judged.number}, then this job; {_by_hand(lock)}",
        )
    if model_of(root, judged.commit) != model_of_tree(root):
        raise Refused(
            f"#{judged.number} is the newest pull request with a report, and dvc.lock names "
            "another model folder since then",
            _review_again(lock),
        )
    of_model = {
        manifest
        for model, manifest in (
            (lock.recorded, lock.recorded_manifest),
            (lock.rebuilt, lock.rebuilt_manifest),
        )
        if model == judged.sha256
    }
    if of_model and judged.manifest not in of_model:
        raise Refused(
            f"#{judged.number} was reviewed with manifest {judged.manifest[:SHORT]}, and this "
            f"commit has {lock.rebuilt_manifest[:SHORT]}",
            _review_again(lock),
        )


def _accept(accepted: Acceptance, lock: LockVerdict) -> Review:
    models = (lock.recorded, lock.rebuilt)
    typed = accepted.model.lower()
    if not re.fullmatch(rf"[0-9a-f]{{{SHORT},64}}", typed) or not any(
        model.startswith(typed) for model in models
    ):
        raise Refused(
            f"model {quote(typed, 64)} was accepted, and this commit has {lock.recorded[:SHORT]}",
            f"enter {lock.recorded[:SHORT]} as *model* in Actions → Deploy → Run workflow "
            "(docs/release.md)",
        )
    return Review(words=f"not checked: {accepted.by} accepted this model without a review")


def _not_reviewed(why: str, lock: LockVerdict) -> Refused:
    return Refused(
        f"no review of this model was found: {why}",
        "Re-run all jobs of the pull request that changed the model, then this job; without a pull "
        f"request, open one; {_by_hand(lock)}",
    )


def _review_again(lock: LockVerdict) -> str:
    return f"Open a pull request against the newest main to have it reviewed; {_by_hand(lock)}"


def _by_hand(lock: LockVerdict) -> str:
    return (
        "or release it without a review: Actions → Deploy → Run workflow with *model* "
        f"{lock.recorded[:SHORT]} (docs/release.md)"
    )


def _released_before(review: Review, before: Base) -> str:
    by = f"#{review.number} did not change the model" if review.number else "no change since then"
    return f"{by}: released with `{before.commit[:7]}`"


def same_model(root: Path, commit: str) -> bool:
    return model_of(root, commit) == model_of_tree(root)


def model_of_tree(root: Path) -> str:
    return outputs(read_stages(root / LOCK))[str(MODEL)]


def model_of(root: Path, commit: str) -> str:
    """Return the md5 of the model that a commit's lock names, or '' if it names none."""
    try:
        lock = parse_yaml(read_file(root, commit, str(LOCK)) or "", str(LOCK))
        return outputs(stages_of(lock["stages"], LOCK)).get(str(MODEL), "")
    except (SlipwayError, KeyError, TypeError):
        return ""
