"""A change that is tried: trained and judged in a temporary checkout, and kept as a commit.

The commit is in `refs/slipway/trials`, which is neither a branch nor pushed. So a trial that is not
exported counts as a use of the holdout (`slipway.comparison.record`), and a branch holds the
records of all trials before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from slipway.comparison.champion import tree_of
from slipway.comparison.record import records_of
from slipway.comparison.report import Judgement, Verdict
from slipway.documents.document import Document
from slipway.documents.html import to_html
from slipway.documents.text import to_text
from slipway.errors import SlipwayError
from slipway.explore.models import Model, model_of
from slipway.explore.rows import restore_data
from slipway.explore.session import repository, show, step, with_short_errors
from slipway.reports.check import read_report
from slipway.reports.render import document_of, foot_of
from slipway.repository.git import GitError, git, names, read_file, resolve
from slipway.repository.layout import MODEL_CODE
from slipway.repository.pointers import LOCK, POINTER
from slipway.retraining.pipeline import REPORT, judge, run_stages, set_train
from slipway.settings import TrainSettings, read_params
from slipway.training.evaluate import REPORTS
from slipway.untrusted import escape_html

PARAMS = "params.yaml"

TRIALS = "refs/slipway/trials"

HEIGHT = 480  # pixels of a report in a notebook


@dataclass(frozen=True)
class Report:
    """The report of `slipway judge`: HTML in a notebook, text elsewhere.

    Attributes
    ----------
    content
        As in ``build/report.json``.
    """

    content: Mapping[str, object]

    @cached_property
    def judgement(self) -> Judgement:
        return Judgement.of(self.content)

    def to_html(self) -> str:
        """Return the whole report as an HTML file."""
        return to_html(self._document(full=True))

    def __repr__(self) -> str:
        return to_text(self._document(full=False))

    def _repr_html_(self) -> str:
        # In a frame, because its style is that of a page; it runs no script.
        style = f"width:100%;height:{HEIGHT}px;border:0"
        page = escape_html(self.to_html())
        return f'<iframe sandbox style="{style}" srcdoc="{page}"></iframe>'

    def _document(self, *, full: bool) -> Document:
        return document_of(self.content, foot_of("", ""), full=full)


@dataclass(frozen=True)
class Trial:
    """A change, its model and its report.

    Attributes
    ----------
    base
        The commit that was changed, whose model is the champion.
    commit
        The change as a commit that no branch has.
    train
        The settings of `train` that were changed.
    """

    root: Path = field(repr=False)
    base: str
    commit: str
    train: TrainSettings
    report: Report = field(repr=False)

    @property
    def verdict(self) -> Verdict:
        """*better*, *not worse*, *worse* or *inconclusive*."""
        return self.report.judgement.verdict

    @property
    def may_merge(self) -> bool:
        """Whether the rule of the base lets it be merged."""
        return self.report.judgement.may_merge

    @cached_property
    @with_short_errors
    def model(self) -> Model:
        """The model that was trained."""
        return model_of(self.root, self.commit)

    @with_short_errors
    def to_branch(self, name: str, message: str = "") -> str:
        """Make a branch of the change, on top of its base; return its commit.

        It has params.yaml, dvc.lock and reports/. Nothing is checked out or pushed.

        Parameters
        ----------
        message
            Of the commit; default: which settings it changes.

        Raises
        ------
        SlipwayError
            A branch of this name exists here or on a remote, or the name is not valid.
        """
        _require_new_branch(self.root, name)
        tree = git(self.root, "rev-parse", f"{self.commit}^{{tree}}").strip()
        commit = _commit(self.root, tree, self.base, message or _message(self.train))
        git(self.root, "branch", "--no-track", name, commit)
        return commit


@with_short_errors
def candidates() -> list[TrainSettings]:
    """Return changes to try: `search.candidates` of params.yaml.

    Raises
    ------
    SlipwayError
        There is none.
    """
    listed = read_params(repository() / PARAMS).search.candidates
    if not listed:
        raise SlipwayError(
            f"{PARAMS}: `search.candidates` is empty",
            "add settings of `train` to it, or name them: try_change(train={...})",
        )
    return [*listed]


@with_short_errors
def try_change(train: TrainSettings, revision: str = "HEAD") -> Trial:
    """Train with other settings and judge the model against that of the commit.

    Parameters
    ----------
    train
        Settings of `train` in params.yaml, and their new values.
    revision
        The commit, branch or tag that is changed.

    Raises
    ------
    Refused
        A stage refused the model.
    SlipwayError
        The commit or a setting does not exist, nothing would change, or a step failed.
    """
    root = repository()
    base = resolve(root, revision)
    git(root, "var", "GIT_COMMITTER_IDENT")  # refused before minutes of training
    _show_uncommitted(root)
    with tree_of(root, base) as tree:
        changes = _changes(tree / PARAMS, train)
        set_train(tree / PARAMS, changes)
        restore_data(tree)
        with step("Running the pipeline"):
            run_stages(tree)
        with step("Judging"):
            judge(tree, base)
        report = Report(read_report(tree / REPORT))
        return Trial(root, base, _keep(root, tree, base, changes), changes, report)


def _changes(params: Path, train: TrainSettings) -> TrainSettings:
    """Return the settings that differ, as values of Python.

    Raises
    ------
    SlipwayError
        `train` has no such setting, or none differs.
    """
    current = read_params(params).train
    if unknown := sorted(map(str, train.keys() - current.keys())):
        raise SlipwayError(
            f"`train` of {PARAMS} has no {'setting' if len(unknown) == 1 else 'settings'} "
            f"{', '.join(unknown)}",
            f"it has: {', '.join(map(str, current)) or 'none'}; a new one is committed first",
        )
    # A number of numpy is none of YAML.
    wanted = {
        key: value.item() if hasattr(value, "item") else value for key, value in train.items()
    }
    changes = {key: value for key, value in wanted.items() if value != current[key]}
    if not changes:
        raise SlipwayError(f"these are the settings of {PARAMS}", "name other values")
    return changes


def _keep(root: Path, tree: Path, base: str, changes: TrainSettings) -> str:
    """Commit a trial where no branch has it, with the records of earlier ones."""
    _add_records(root, tree)
    git(tree, "add", "--all", "--", PARAMS, str(LOCK), str(REPORTS))
    content = git(tree, "write-tree").strip()
    commit = _commit(root, content, base, _message(changes))
    git(root, "update-ref", f"{TRIALS}/{content}", commit)  # trying it again replaces it
    return commit


def _add_records(root: Path, tree: Path) -> None:
    for commit in git(root, "for-each-ref", "--format=%(objectname)", TRIALS).split():
        for name in records_of(root, commit):
            if not (tree / name).exists():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_text(read_file(root, commit, name) or "", "utf-8")


def _commit(root: Path, tree: str, parent: str, message: str) -> str:
    return git(root, "commit-tree", tree, "-p", parent, "-m", message).strip()


def _message(train: TrainSettings) -> str:
    return f"Set {', '.join(f'{key} to {value}' for key, value in train.items())}"


def _require_new_branch(root: Path, name: str) -> None:
    try:
        valid = git(root, "check-ref-format", "--branch", name).strip() == name
    except (GitError, ValueError):
        valid = False
    if not valid:
        raise SlipwayError(f"{name!r} is not a valid name of a branch", "such as deeper-trees")
    if git(root, "for-each-ref", f"refs/heads/{name}", f"refs/remotes/*/{name}"):
        raise SlipwayError(
            f"the branch {name} exists", f"choose another name, or `git branch -D {name}`"
        )


def _show_uncommitted(root: Path) -> None:
    paths: Sequence[str] = (str(MODEL_CODE), PARAMS, str(POINTER))
    changed = names(root, "diff", "--name-only", "-z", "HEAD", "--", *paths)
    if changed:
        show(f"Not part of the trial, because not committed: {', '.join(changed)}")
