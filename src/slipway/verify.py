"""`slipway verify`: may this commit's model be released, and which bytes is that?

For a job on the default branch, after a merge. Nothing that a pull request has left behind is
believed or released: the model is rebuilt from its inputs in a clean checkout of the commit,
compared with what `dvc.lock` records and what was reviewed, and judged again. The rebuilt files
are what is released; each is hashed, and every later step compares with that.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slipway.errors import NO, Refused, SlipwayError
from slipway.git import resolve
from slipway.github.api import Api
from slipway.github.approval import Acceptance, check_review, same_model
from slipway.github.history import Base, base_of_release, first_parent
from slipway.github.review import Review
from slipway.github.runner import add_summary
from slipway.judge.champion import tree_of
from slipway.judge.record import JUDGEMENTS
from slipway.judge.run import judge_change
from slipway.lock import LockVerdict, rebuild_clean
from slipway.pointers import POINTER
from slipway.report.document import Document, Table, plain, quote
from slipway.report.markdown import to_markdown
from slipway.report.render import document_of, foot_of
from slipway.report.words import advice, headline
from slipway.restore import restore
from slipway.score import MANIFEST_FILE, MODEL, MODEL_FILE
from slipway.serve.release import SHIPPED, Release, verify_model
from slipway.tables import digest, files_of, read_json, write_json
from slipway.verified import VERIFIED, check_files

REPORT = Path("build/report.json")

GUIDE = "what each stop means: docs/release.md"

AS_BEFORE = "Unchanged: the same model as before, by its hash in dvc.lock"

FIRST = "First model: there is none before it to compare with"


@dataclass(frozen=True)
class Verified:
    """A commit whose model may be released.

    Attributes
    ----------
    base
        The commit that it was compared with; empty if there is none before it.
    model_sha256, manifest_sha256, files
        Of the files that were rebuilt, which are released.
    lock, lock_words
        How `dvc.lock` compares with the rebuild.
    recorded_sha256
        Of the model that `dvc.lock` names; another one than `model_sha256` if equivalent.
    reviewed
        Number, address and model of the pull request; None without one.
    accepted
        Who has released it without a review that could be found; empty if there is one.
    verdict
        The headline of the judgement, or why there was none.
    report, report_sha256
        Where the judgement is, and its hash; empty if the model has not changed.
    """

    commit: str
    base: str
    data: str
    model_sha256: str
    manifest_sha256: str
    files: dict[str, str]
    lock: str
    lock_words: str
    recorded_sha256: str
    reviewed: dict[str, Any] | None
    review_words: str
    accepted: str
    verdict: str
    report: str
    report_sha256: str
    version: int = 2

    def rows(self) -> list[list[str]]:
        """Return what was found, a name and a sentence each."""
        base = f", compared with `{self.base[:7]}`" if self.base else ""
        return [
            ["commit", f"`{self.commit[:7]}`{base}"],
            ["lock", f"{self.lock}: {self.lock_words}"],
            ["model", f"sha256 `{self.model_sha256[:12]}`: rebuilt from its inputs here"],
            ["review", self.review_words],
            ["verdict", self.verdict],
        ]

    def text(self) -> str:
        return "\n".join(f"{name:8} {plain(said).replace('`', '')}" for name, said in self.rows())


def verify(root: Path, base: str, api: Api | None, accepted: Acceptance | None = None) -> Verified:
    """Rebuild the model of this commit and check that it may be released; write what was found.

    The rebuilt model folder is in `root` afterwards.

    Parameters
    ----------
    base
        Commit whose model it would replace; if empty, the last one that was released, as
        GitHub knows it, else the one before.
    api
        GitHub, to ask what was reviewed and released; None elsewhere, where neither is asked.

    Raises
    ------
    Refused
        It may not: the lock is not that of this commit, no review of this model can be found,
        or the judge refuses it.
    SlipwayError
        It is not known: the tree is not as its commit has it, or something cannot be fetched.
    """
    (root / VERIFIED).unlink(missing_ok=True)
    try:
        found = _verify(root, base, api, accepted)
    except Refused as no:
        said = [f"**To do:** {no.do}"] if no.do else []
        add_summary(to_markdown(Document("bad", f"Not released: {no}", said, [], [GUIDE])))
        raise
    write_json(asdict(found), root / VERIFIED)
    _summarize(found, root)
    return found


def _verify(root: Path, base: str, api: Api | None, accepted: Acceptance | None) -> Verified:
    release = _release_of(root)
    restore(root, POINTER)  # not by force: data/ may have a month that no `dvc add` has seen
    lock, files = rebuild_into(root, release.commit)
    before = _find_base(root, release.commit, base, api)
    review = check_review(root, release.commit, before, lock, api, accepted)
    verdict, report = _judge_again(root, before, lock)
    # Judging has run the champion's code, and code that the data may have reached.
    check_files(root, {"files": files})
    if _release_of(root) != release:
        raise Refused("the commit that is checked out has changed meanwhile", "run it again")
    return Verified(
        commit=release.commit,
        base=before.commit,
        data=release.data,
        model_sha256=files[MODEL_FILE],
        manifest_sha256=files[MANIFEST_FILE],
        files=files,
        lock=lock.status,
        lock_words=_lock_words(lock),
        recorded_sha256=lock.recorded,
        reviewed=review.as_record(),
        review_words=_review_words(root, review, lock.recorded),
        accepted=accepted.by if api and accepted else "",
        verdict=verdict,
        report=report,
        report_sha256=digest(root / report) if report else "",
    )


def _release_of(root: Path) -> Release:
    release = Release.of_tree(root)
    if release.commit.endswith("-dirty"):
        raise SlipwayError(
            f"files are not as their commit has them (of: {', '.join(SHIPPED)})",
            "commit or undo the changes: see `git status`",
        )
    return release


def rebuild_into(root: Path, commit: str) -> tuple[LockVerdict, dict[str, str]]:
    """Rebuild the model in a clean checkout of a commit and take it into the tree.

    Returns
    -------
    How `dvc.lock` compares, and the sha256 of each file that was taken.

    Raises
    ------
    Refused
        The lock is not that of this commit.
    SlipwayError
        The data cannot be fetched, or a stage fails.
    """
    with tree_of(root, commit) as tree, rebuild_clean(tree) as (lock, copy):
        if lock.exit_code == NO:
            raise Refused(
                f"dvc.lock is {lock.status}: {'; '.join(lock.why)}",
                "fix it by a pull request: `dvc repro`, then commit dvc.lock with reports/",
            )
        files = files_of(copy / MODEL)
        _take(copy / MODEL, root)
    check_files(root, {"files": files})
    verify_model(root / MODEL)
    return lock, files


def _take(folder: Path, root: Path) -> None:
    """Copy a model folder into the tree, as regular files in place of what was there."""
    target = root / MODEL
    for place in (target, *target.parents):
        if place != root and root in place.parents and place.is_symlink():
            raise SlipwayError(
                f"{place.relative_to(root)}: a link, and a folder is needed", "remove the link"
            )
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)


def _find_base(root: Path, commit: str, base: str, api: Api | None) -> Base:
    if base:
        return Base(resolve(root, base))
    return base_of_release(root, commit, api) if api else Base(first_parent(root, commit))


def _judge_again(root: Path, base: Base, lock: LockVerdict) -> tuple[str, str]:
    """Return the verdict and where its report is."""
    (root / REPORT).unlink(missing_ok=True)
    if not base.commit:
        return FIRST, ""
    if lock.status == "identical" and same_model(root, base.commit):
        return AS_BEFORE, ""
    report = judge_change(root, base.commit, root / REPORT, lock.status, lock.recorded)
    if report["may_merge"]:
        return plain(headline(report)), str(REPORT)
    if _is_first(report):
        return FIRST, str(REPORT)
    add_summary(to_markdown(document_of(report, foot_of("", ""), full=False)))
    raise Refused(
        f"judged again on main: {plain(headline(report)).removeprefix('Not merged: ')}",
        plain(" ".join(advice(report)))
        or "revert the change, or open a pull request that fixes it",
    )


def _is_first(report: dict[str, Any]) -> bool:
    """Return whether only the lack of a model before this one stands against it."""
    why = report["incomparable"]
    alone = all(stop["code"] == "cannot tell" for stop in report["stops"])
    return bool(why and why["code"] == "no champion" and alone)


def _lock_words(lock: LockVerdict) -> str:
    said = "; ".join(lock.why)
    if lock.status == "equivalent":
        return f"{said}. The rebuilt bytes are judged and released, not those that were recorded"
    return said


def _review_words(root: Path, review: Review, recorded: str) -> str:
    if review.models:
        return f"#{review.number}: its report names this model"
    records = sorted((root / JUDGEMENTS).glob(f"*-{recorded[:12]}-*.json"))
    if not records:
        return f"{review.words}; no judgement of this model is committed"
    name = records[0].relative_to(root)
    verdict = read_json(records[0], "slipway judge").get("verdict")
    return f"{review.words}; the judgement in {quote(name, 120)} says {quote(verdict)}"


def _summarize(found: Verified, root: Path) -> None:
    title = "Verified: the rebuilt model may be released"
    add_summary(to_markdown(Document("good", title, [Table(["", ""], found.rows())], [], [GUIDE])))
    if found.report:
        report = read_json(root / found.report, "slipway judge")
        add_summary(to_markdown(document_of(report, foot_of(found.commit, ""), full=False)))
