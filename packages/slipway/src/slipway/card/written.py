"""Pages that people write: Markdown with headings, of which some are required.

A part that is not written yet holds a prompt, a line that begins with ``To fill in:``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from json import dumps
from pathlib import Path
from string import Template

from slipway.errors import SlipwayError
from slipway.texts import parse_yaml, read_text

CARD = Path("src/model/card.md")
CANVAS = Path("docs/canvas.md")

REQUIRED: Mapping[Path, Sequence[str]] = {
    CARD: (
        "Intended use",
        "Out of scope",
        "Limitations",
        "Ethical considerations",
        "Owner",
    ),
    CANVAS: (
        "Business question",
        "Decision",
        "Users",
        "Costs of errors",
        "Labels and their delay",
        "Baseline",
        "Risks",
    ),
}
"""The headings of each page."""

FRONT = re.compile(r"\A---\n(.*?)^---$\n?", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$", re.MULTILINE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
PROMPT = re.compile(r"^[>*_\s-]*To fill in\b:?\s*(.*?)[*_]*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes
    ----------
    front
        The YAML between two lines of ``---`` at its top; empty without.
    sections
        The text below each heading, by heading, in the order of the file.
    """

    path: Path
    front: Mapping[str, object]
    sections: Mapping[str, str]

    @classmethod
    def read(cls, root: Path, path: Path) -> Page | None:
        """Read a page of a repository; None if there is none.

        Raises
        ------
        SlipwayError
            It is not UTF-8, or what is between its ``---`` is not a YAML mapping.
        """
        if not (root / path).is_file():
            return None
        text = read_text(root / path).replace("\r\n", "\n")
        front = FRONT.match(text)
        return cls(path, _front(front[1], path) if front else {}, _sections(text[_end(front) :]))

    def section(self, title: str) -> str | None:
        """Return the text of a section, whatever the case of its heading; None if it is missing."""
        found = (text for name, text in self.sections.items() if name.lower() == title.lower())
        return next(found, None)

    def open(self) -> Iterator[str]:
        """Yield what is not written yet, a sentence each."""
        for title in REQUIRED[self.path]:
            text = self.section(title)
            if text is None:
                yield f"{self.path}: has no section `{title}`"
            elif not PROMPT.sub("", text).strip() and not PROMPT.search(text):
                yield f"{self.path}: the section `{title}` is empty"
        for title, text in self.sections.items():
            for prompt in PROMPT.finditer(text):
                yield f"{self.path}: `{title}` is to be filled in: {prompt[1]}"


def new_page(root: Path, path: Path, target: str, task: str) -> Path:
    """Write a page with prompts; return its path.

    Raises
    ------
    SlipwayError
        There is one already.
    """
    page = Page.read(root, path)
    if page and page.sections:
        raise SlipwayError(f"{path}: there is one already", "edit it, or remove it first")
    return write_prompts(root, path, target, task)


def write_prompts(root: Path, path: Path, target: str, task: str) -> Path:
    """Write a page with prompts, in the place of one that is there; return its path.

    Parameters
    ----------
    target, task
        Of the model, for what a card states of it.
    """
    text = (files("slipway.card") / "templates" / f"{path.name}.txt").read_text("utf-8")
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    # A JSON string is one of YAML too.
    filled = Template(text).substitute(target=dumps(target, ensure_ascii=False), task=task)
    (root / path).write_text(filled, "utf-8")
    return path


def _front(text: str, path: Path) -> Mapping[str, object]:
    found = parse_yaml(text, f"{path}, between its lines ---") or {}
    if not isinstance(found, dict):
        raise SlipwayError(
            f"{path}: expected `key: value` between its lines ---", "correct or remove it"
        )
    return found


def _end(front: re.Match[str] | None) -> int:
    return front.end() if front else 0


def _sections(text: str) -> Mapping[str, str]:
    """Return the sections of a Markdown text; a ``#`` in a block of code is no heading.

    They are those of one level: the first below the title, or the first if there is no other.
    """
    text = COMMENT.sub("", text)
    blocks = [found.span() for found in FENCE.finditer(text)]
    headings = [
        found
        for found in HEADING.finditer(text)
        if not any(start <= found.start() < end for start, end in blocks)
    ]
    levels = {len(found[1]) for found in headings}
    level = min(levels - {1} or levels, default=1)
    headings = [found for found in headings if len(found[1]) <= level]
    ends = [*(found.start() for found in headings[1:]), len(text)]
    return {
        found[2]: text[found.end() : end].strip()
        for found, end in zip(headings, ends, strict=True)
        if len(found[1]) == level
    }
