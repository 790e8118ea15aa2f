"""`slipway changes`: which parts of the repository a change touches.

Needs nothing but git and Python, so a job can ask before anything is installed:
``PYTHONPATH=src python3 -m slipway.changes --base COMMIT``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.exits import run_command
from slipway.git import GitError, names, resolve, shown
from slipway.github.runner import set_outputs

DOCUMENTS = ("*.md", "docs/*", "LICENSE", ".editorconfig", ".github/ISSUE_TEMPLATE/*")

# No model is made of these; whatever is not listed may change one.
TESTS = ("tests/*", "bench/*", ".devcontainer/*", ".pre-commit-config.yaml", ".ci/*")

# Holds the documents to what they promise: links, names, commands.
TESTS_OF_DOCUMENTS = "tests/repository"


@dataclass(frozen=True)
class Changes:
    """The files that a change touches.

    Attributes
    ----------
    model
        Whether the pipeline has to look at them.
    tests
        The tests that have to run.
    """

    files: list[str]

    @property
    def model(self) -> bool:
        return not all(_is_one_of(name, (*DOCUMENTS, *TESTS)) for name in self.files)

    @property
    def tests(self) -> str:
        documents = all(_is_one_of(name, DOCUMENTS) for name in self.files)
        return TESTS_OF_DOCUMENTS if documents else "tests"

    def text(self) -> str:
        model = "may change" if self.model else "no change"
        return f"{len(self.files)} files changed\nmodel: {model}\ntests to run: {self.tests}"


def find_changes(root: Path, base: str) -> Changes:
    """Return what differs between the tree and the commit where it left a branch.

    Raises
    ------
    SlipwayError
        git does not know the commit.
    """
    commit = resolve(root, base)
    command = ("diff", "--name-only", "-z", "--no-renames", "--merge-base")
    try:
        changed = names(root, *command, "--end-of-options", commit, "--")
    except GitError as error:
        raise SlipwayError(
            f"git cannot compare with `{base}`: {error.reason}",
            "`git fetch` what is between the two; a shallow clone needs `git fetch --unshallow`",
        ) from None
    return Changes(sorted(shown(name) for name in changed))


def tell_changes(root: Path, base: str) -> str:
    """Return what changed as a few lines, and hand it to later steps of the job."""
    found = find_changes(root, base)
    set_outputs(model=found.model, tests=found.tests)
    return found.text()


def main() -> None:
    """Answer without an installation, as `slipway changes` does with one."""
    parser = argparse.ArgumentParser(prog="slipway.changes")
    parser.add_argument("--base", required=True)
    sys.stdout.write(tell_changes(Path(), parser.parse_args().base) + "\n")


def _is_one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


if __name__ == "__main__":
    run_command("slipway changes", main)
