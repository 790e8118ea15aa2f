"""`slipway verify`: check that the model of this commit may be released, and rebuild it.

For a job on the default branch, after a merge. Nothing that a pull request produced is trusted or
released: the model is rebuilt from its inputs in a clean checkout of the commit, compared with
`dvc.lock` and with the reviewed model, and judged again. The rebuilt files are released; each is
hashed, and every later step compares with these hashes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from slipway.actions import add_summary
from slipway.comparison.champion import tree_of
from slipway.comparison.record import JUDGEMENTS, read, verdict_of
from slipway.comparison.report import Judgement
from slipway.comparison.run import judge_change
from slipway.dataset.tables import digest, files_of, read_json
from slipway.documents.document import Document, Table
from slipway.documents.markdown import to_markdown
from slipway.errors import NO, Refused, SlipwayError
from slipway.github.api import Api
from slipway.github.approval import Acceptance, check_review, same_model
from slipway.github.last_release import Base, base_of_release, first_parent
from slipway.github.review import Review
from slipway.manifest import MANIFEST_FILE, MODEL
from slipway.release.verified import VERIFIED, Verified, check_files
from slipway.reports.content import judgement
from slipway.reports.messages import advice, headline
from slipway.reports.render import document_of, foot_of
from slipway.repository.git import resolve
from slipway.repository.pointers import POINTER
from slipway.repository.restore import restore
from slipway.reproduction.reproduce import LockVerdict, reproduce
from slipway.serving.release import SHIPPED, Release, verify_model
from slipway.training.backtest import BACKTEST
from slipway.training.formats.registry import model_path
from slipway.untrusted import as_text, quote, quote_text

REPORT = Path("build/report.json")

GUIDE = "what each reason means: docs/release.md"

AS_BEFORE = "Unchanged: the same model as before, by its hash in dvc.lock"

FIRST = "First model: there is no earlier one to compare with"


def verify(root: Path, base: str, api: Api | None, accepted: Acceptance | None = None) -> Verified:
    """Rebuild the model of this commit and check that it may be released; write the result.

    The rebuilt model folder is in `root` afterwards.

    Parameters
    ----------
    base
        Commit whose model it would replace; if empty, the last release on GitHub, else the commit
        before.
    api
        GitHub, for reviews and releases; None elsewhere, where neither is checked.

    Raises
    ------
    Refused
        The lock is not that of this commit, no review of this model can be found, or the verdict is
        negative.
    SlipwayError
        The tree differs from its commit, or data cannot be fetched.
    """
    (root / VERIFIED).unlink(missing_ok=True)
    try:
        verified = _verify(root, base, api, accepted)
    except Refused as refused:
        advice = [f"**To do:** {quote_text(refused.do)}"] if refused.do else []
        reason = quote_text(refused)
        add_summary(to_markdown(Document("bad", f"Not released: {reason}", advice, [], [GUIDE])))
        raise
    verified.write(root)
    _summarize(verified, root)
    return verified


def _verify(root: Path, base: str, api: Api | None, accepted: Acceptance | None) -> Verified:
    release = _release_of(root)
    restore(root, POINTER)  # not by force: data/ may have a month without a `dvc add`
    lock, files = rebuild_into(root, release.commit)
    before = _find_base(root, release.commit, base, api)
    review = check_review(root, release.commit, before, lock, api, accepted)
    verdict, report = _judge_again(root, before, lock)
    # Judging has run the champion's code.
    check_files(root, files)
    if _release_of(root) != release:
        raise Refused("another commit was checked out meanwhile", "run it again")
    return Verified(
        commit=release.commit,
        base=before.commit,
        data=release.data,
        model_sha256=files[model_path(root / MODEL).name],
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
            f"files differ from their commit (of: {', '.join(SHIPPED)})",
            "commit or undo the changes: `git status` lists them",
        )
    return release


def rebuild_into(root: Path, commit: str) -> tuple[LockVerdict, dict[str, str]]:
    """Rebuild the model in a clean checkout of a commit; copy it and the backtest into the tree.

    Returns
    -------
    How `dvc.lock` compares, and the sha256 of each file of the model.

    Raises
    ------
    Refused
        The lock is not that of this commit.
    SlipwayError
        The data cannot be fetched, or a stage fails.
    """
    with tree_of(root, commit) as tree, reproduce(tree) as (lock, copy):
        if lock.exit_code == NO:
            raise Refused(
                f"dvc.lock is {lock.status}: {'; '.join(lock.why)}",
                "fix it by a pull request: `dvc repro`, then commit dvc.lock with reports/",
            )
        files = files_of(copy / MODEL)
        for path in (MODEL, BACKTEST):
            _copy_folder(copy / path, root, path)
    check_files(root, files)
    verify_model(root / MODEL)
    return lock, files


def _copy_folder(folder: Path, root: Path, path: Path) -> None:
    """Replace a folder of the tree by a copy, as regular files; remove it if there is none."""
    target = root / path
    for place in (target, *target.parents):
        if place != root and root in place.parents and place.is_symlink():
            raise SlipwayError(
                f"{place.relative_to(root)}: a link; a folder is needed", "remove the link"
            )
    shutil.rmtree(target, ignore_errors=True)
    if folder.is_dir():
        shutil.copytree(folder, target)


def _find_base(root: Path, commit: str, base: str, api: Api | None) -> Base:
    if base:
        return Base(resolve(root, base))
    return base_of_release(root, commit, api) if api else Base(first_parent(root, commit))


def _judge_again(root: Path, base: Base, lock: LockVerdict) -> tuple[str, str]:
    """Return the verdict and the path of its report."""
    (root / REPORT).unlink(missing_ok=True)
    if not base.commit:
        return FIRST, ""
    if lock.status == "identical" and same_model(root, base.commit):
        return AS_BEFORE, ""
    report = judge_change(root, base.commit, root / REPORT, lock.status, lock.recorded)
    if report.may_merge:
        return as_text(headline(report)), str(REPORT)
    if _is_first(report):
        return FIRST, str(REPORT)
    add_summary(to_markdown(judgement(report, foot_of("", ""), full=False)))
    raise Refused(
        f"judged again on main: {as_text(headline(report)).removeprefix('Not merged: ')}",
        as_text(" ".join(advice(report)))
        or "revert the change, or open a pull request that fixes it",
    )


def _is_first(report: Judgement) -> bool:
    """Return whether the only reason against the model is that there is no earlier one."""
    reason = report.incomparable
    no_other = all(stop.code == "inconclusive" for stop in report.stops)
    return bool(reason and reason.code == "no champion" and no_other)


def _lock_words(lock: LockVerdict) -> str:
    reasons = "; ".join(lock.why)
    if lock.status == "equivalent":
        return f"{reasons}. The rebuilt bytes are judged and released, not the recorded ones"
    return reasons


def _review_words(root: Path, review: Review, recorded: str) -> str:
    if review.models:
        return f"#{review.number}: its report names this model"
    files = sorted((root / JUDGEMENTS).glob(f"*-{recorded[:12]}-*.json"))
    records = [path for path in files if read(path)]
    if not records:
        return f"{review.words}; no judgement of this model is committed"
    name = records[0].relative_to(root)
    verdict = verdict_of(records[0])
    return f"{review.words}; the verdict in {quote(name, 120)} is {quote(verdict)}"


def _summarize(verified: Verified, root: Path) -> None:
    title = "Verified: the rebuilt model may be released"
    rows = Table(["", ""], verified.rows())
    add_summary(to_markdown(Document("good", title, [rows], [], [GUIDE])))
    if verified.report:
        report = read_json(root / verified.report, "slipway judge")
        add_summary(to_markdown(document_of(report, foot_of(verified.commit, ""), full=False)))
