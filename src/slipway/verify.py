"""`slipway verify`: what was reviewed is what will run, or nothing runs.

For trusted ground, after a merge. Nothing that a pull request has left behind is believed: the
model is rebuilt in a checkout of the commit, from what git and the remote hold, and judged again.
A pull request's report can stop a release, and never lets one go on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slipway.errors import NO, Refused, SlipwayError
from slipway.git import git, resolve
from slipway.github.api import Api
from slipway.github.history import Base, base_of_release, first_parent
from slipway.github.review import Review, find_review
from slipway.github.runner import add_summary
from slipway.judge.champion import tree_of
from slipway.judge.record import JUDGEMENTS
from slipway.judge.run import judge_change
from slipway.lock import LockVerdict, check_lock, outputs, read_lock
from slipway.pointers import LOCK, POINTER
from slipway.report.document import Document, Table, plain, quote
from slipway.report.markdown import to_markdown
from slipway.report.render import document_of, foot_of
from slipway.report.words import advice, headline
from slipway.restore import restore as restore_outputs
from slipway.score import MANIFEST_FILE, MODEL
from slipway.serve.release import SHIPPED, Release, verify_model
from slipway.tables import digest, read_json, write_json
from slipway.texts import parse_yaml

VERIFIED = Path("build/verified.json")

REPORT = Path("build/report.json")

GUIDE = "what each stop means: docs/release.md"

AS_BEFORE = "Unchanged: the same model as before, byte for byte"

FIRST = "First model: there is none before it to compare with"


@dataclass(frozen=True)
class Verified:
    """A commit whose model may be released.

    Attributes
    ----------
    base
        The commit that it was compared with; empty if there is none before it.
    lock, review
        What the rebuild and the pull request say, in words.
    reviewed
        Number, address and model of the pull request; None without one.
    verdict
        The headline of the judgement, or why there was none.
    report
        Where the judgement is; empty if the model has not changed.
    """

    commit: str
    base: str
    data: str
    model_sha256: str
    manifest_sha256: str
    lock: str
    lock_words: str
    reviewed: dict[str, Any] | None
    review_words: str
    verdict: str
    report: str
    version: int = 1

    def rows(self) -> list[list[str]]:
        """Return what was found, a name and a sentence each."""
        base = f", compared with `{self.base[:7]}`" if self.base else ""
        return [
            ["commit", f"`{self.commit[:7]}`{base}"],
            ["lock", f"{self.lock}: {self.lock_words}"],
            ["model", f"sha256 `{self.model_sha256[:12]}`: restored, hashed, as the lock says"],
            ["review", self.review_words],
            ["verdict", self.verdict],
        ]

    def text(self) -> str:
        return "\n".join(f"{name:8} {plain(said).replace('`', '')}" for name, said in self.rows())


def verify(root: Path, base: str, api: Api | None) -> Verified:
    """Say whether the model of this commit may be released; write and return what was found.

    Parameters
    ----------
    base
        Commit whose model it would replace; if empty, the last one that was released, as
        GitHub knows it, else the one before.
    api
        GitHub, to ask what was reviewed and released; None on a laptop, where nobody asks.

    Raises
    ------
    Refused
        It may not: the lock is not that of this commit, the model is not the one that was
        reviewed, or the judge says no.
    SlipwayError
        It cannot be said: the tree is not as its commit has it, or something cannot be fetched.
    """
    (root / VERIFIED).unlink(missing_ok=True)
    try:
        found = _verify(root, base, api)
    except Refused as no:
        said = [f"**To do:** {no.do}"] if no.do else []
        add_summary(to_markdown(Document("bad", f"Not released: {no}", said, [], [GUIDE])))
        raise
    write_json(asdict(found), root / VERIFIED)
    _summarize(found, root)
    return found


def check_verified(root: Path, commit: str, model_sha256: str) -> dict[str, Any]:
    """Return what `slipway verify` found, if it is about this commit and this model.

    Raises
    ------
    Refused
        It is about another one.
    SlipwayError
        It has not run here.
    """
    found: dict[str, Any] = read_json(root / VERIFIED, "slipway verify")
    for name, given in (("commit", commit), ("model_sha256", model_sha256)):
        if found[name] != given:
            raise Refused(
                f"{name} is {given[:12]}, and {found[name][:12]} was verified",
                "release what was verified: run the workflow again from its first job",
            )
    return found


def _verify(root: Path, base: str, api: Api | None) -> Verified:
    release = Release.of_tree(root)
    if release.commit.endswith("-dirty"):
        raise SlipwayError(
            f"files are not as their commit has them (of: {', '.join(SHIPPED)})",
            "commit or undo the changes: see `git status`",
        )
    review = _ask_review(api, release.commit)
    lock = _check_lock(root, release.commit)
    sha256 = restore(root)
    _compare_review(review, sha256)
    before = _find_base(root, release.commit, base, api)
    verdict, report = _judge_again(root, before, lock)
    return Verified(
        commit=release.commit,
        base=before.commit,
        data=release.data,
        model_sha256=sha256,
        manifest_sha256=digest(root / MODEL / MANIFEST_FILE),
        lock=lock.status,
        lock_words=_lock_words(lock),
        reviewed=review.as_record(),
        review_words=_review_words(root, review, sha256),
        verdict=verdict,
        report=report,
    )


def _check_lock(root: Path, commit: str) -> LockVerdict:
    """Rebuild the model in a checkout of the commit, where nothing lies about."""
    with tree_of(root, commit) as tree:
        found = check_lock(tree)
    if found.exit_code == NO:
        raise Refused(
            f"dvc.lock is {found.status}: {'; '.join(found.why)}",
            "open a pull request that mends it: `dvc repro`, then commit dvc.lock with reports/",
        )
    return found


def restore(root: Path) -> str:
    """Put the model that the lock names into the tree, byte for byte; return its sha256.

    Raises
    ------
    Refused
        What came is not what the lock names.
    SlipwayError
        It cannot be fetched.
    """
    restore_outputs(root, MODEL, POINTER, force=True)
    return verify_model(root / MODEL)


def _ask_review(api: Api | None, commit: str) -> Review:
    if api is None:
        return Review(words="not asked: this does not run on GitHub")
    return find_review(api, commit)


def _compare_review(review: Review, sha256: str) -> None:
    if review.sha256 and review.sha256 != sha256:
        raise Refused(
            f"#{review.number} was reviewed with model {review.sha256[:12]}, and this commit "
            f"has {sha256[:12]}",
            "the branch has changed between the review and the merge: open a pull request "
            "against what main is now, so that this model is reviewed",
        )


def _find_base(root: Path, commit: str, base: str, api: Api | None) -> Base:
    if base:
        return Base(resolve(root, base), "as asked")
    return base_of_release(root, commit, api) if api else Base(first_parent(root, commit), "before")


def _judge_again(root: Path, base: Base, lock: LockVerdict) -> tuple[str, str]:
    """Return the verdict and where its report is."""
    (root / REPORT).unlink(missing_ok=True)
    if not base.commit:
        return FIRST, ""
    if model_of(root, base.commit) == outputs(read_lock(root / LOCK))[str(MODEL)]:
        return AS_BEFORE, ""
    report = judge_change(root, base.commit, root / REPORT, lock.status)
    if report["may_merge"]:
        return plain(headline(report)), str(REPORT)
    if _is_first(report):
        return FIRST, str(REPORT)
    add_summary(to_markdown(document_of(report, foot_of("", ""), full=False)))
    raise Refused(
        f"judged again on main: {plain(headline(report)).removeprefix('Not merged: ')}",
        plain(" ".join(advice(report)))
        or "revert the change, or open a pull request that mends it",
    )


def model_of(root: Path, commit: str) -> str:
    """Return the md5 of the model that a commit's lock names, or '' if it names none."""
    try:
        stages = parse_yaml(git(root, "show", f"{commit}:{LOCK}"), str(LOCK))["stages"]
        return outputs(stages).get(str(MODEL), "")
    except (SlipwayError, KeyError, TypeError):
        return ""


def _is_first(report: dict[str, Any]) -> bool:
    """Return whether only the lack of a model before this one stands against it."""
    why = report["incomparable"]
    alone = all(stop["code"] == "cannot tell" for stop in report["stops"])
    return bool(why and why["code"] == "no champion" and alone)


def _lock_words(lock: LockVerdict) -> str:
    said = "; ".join(lock.why)
    if lock.status == "equivalent":
        return f"{said}. The bytes that were reviewed are released, not those of the rebuild"
    return said


def _review_words(root: Path, review: Review, sha256: str) -> str:
    if review.sha256:
        return f"#{review.number}: its report names this model"
    records = sorted((root / JUDGEMENTS).glob(f"*-{sha256[:12]}-*.json"))
    if not records:
        return f"{review.words}; no judgement of this model is committed"
    name = records[0].relative_to(root)
    verdict = read_json(records[0], "slipway judge").get("verdict")
    return f"{review.words}; the judgement in {quote(name, 120)} says {quote(verdict)}"


def _summarize(found: Verified, root: Path) -> None:
    title = "Verified: what was reviewed is what will run"
    add_summary(to_markdown(Document("good", title, [Table(["", ""], found.rows())], [], [GUIDE])))
    if found.report:
        report = read_json(root / found.report, "slipway judge")
        add_summary(to_markdown(document_of(report, foot_of(found.commit, ""), full=False)))
