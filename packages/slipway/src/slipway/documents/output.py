"""Where the answer of a command goes: the terminal, and files if they are named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway.documents.document import Document
from slipway.documents.html import to_html
from slipway.documents.text import to_text
from slipway.errors import SlipwayError


@dataclass(frozen=True)
class Output:
    """Where the answer goes: the terminal, and files if they are named.

    Attributes
    ----------
    sections
        Whether the terminal gets the sections of a document too.
    """

    echo: Callable[[str], object]
    json: Path | None = None
    html: Path | None = None
    sections: bool = False

    def write(self, documents: Sequence[Document], content: bytes) -> None:
        for document in documents:
            self.echo(to_text(document.unfolded() if self.sections else document))
        _write(self.json, content + b"\n")
        if self.html is not None:
            if len(documents) != 1:
                raise SlipwayError("--html is of one document", "name one, or use --json")
            _write(self.html, to_html(documents[0]).encode())


def _write(path: Path | None, content: bytes) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
