"""Outputs, annotations and the summary of a job of GitHub Actions.

Outside of a job, outputs and the summary are dropped.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Literal

Level = Literal["notice", "warning", "error"]


def in_actions() -> bool:
    """Return whether this process runs in a job of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def page_of_run() -> str:
    """Return the address of this run."""
    server, repository, run = (
        os.environ[f"GITHUB_{name}"] for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    return f"{server}/{repository}/actions/runs/{run}"


def page_of_files() -> str:
    """Return the address of the files of this run's commit."""
    server, repository, sha = (
        os.environ[f"GITHUB_{name}"] for name in ("SERVER_URL", "REPOSITORY", "SHA")
    )
    return f"{server}/{repository}/blob/{sha}"


def set_outputs(**outputs: str | int | bool) -> None:
    """Set outputs of this step; a line break in a value raises, so that it cannot add an output."""
    lines = []
    for name, value in outputs.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if not text.isprintable():
            raise ValueError(f"the output {name} has a character that is not printable")
        lines.append(f"{name}={text}\n")
    _append("GITHUB_OUTPUT", "".join(lines))


def set_environment(values: Mapping[str, str], secret: Set[str]) -> None:
    """Set environment variables for the later steps, and mask the values of some in the log."""
    for name in sorted(secret & values.keys()):
        sys.stdout.write(f"::add-mask::{_escaped(values[name])}\n")
    sys.stdout.flush()
    for name, value in values.items():
        if not value.isprintable():
            raise ValueError(f"{name} has a character that is not printable")
    _append("GITHUB_ENV", "".join(f"{name}={value}\n" for name, value in values.items()))


def add_summary(markdown: str) -> None:
    """Add Markdown to the summary of the job."""
    _append("GITHUB_STEP_SUMMARY", f"{markdown.rstrip()}\n\n")


def annotate(level: Level, title: str, text: str = "") -> None:
    """Add an annotation to the job; the text is escaped, so that it cannot be a workflow command.

    Outside of a job it is printed as plain text.
    """
    if not in_actions():
        sys.stdout.write(f"{level}: {title}\n{text}\n" if text else f"{level}: {title}\n")
        return
    safe = _escaped(title).replace(":", "%3A").replace(",", "%2C")
    sys.stdout.write(f"::{level} title={safe}::{_escaped(text or title)}\n")
    sys.stdout.flush()


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _append(variable: str, text: str) -> None:
    if path := os.environ.get(variable):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
