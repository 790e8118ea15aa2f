"""Whether the written part of a model card is complete, and agrees with the model's manifest.

What is compared is what a page states in a form that a program reads without doubt: the keys of
`CLAIMS`, between the lines ``---`` at its top, or in its text as code: `` `threshold: 0.3` ``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from slipway.card.written import CARD, Page
from slipway.errors import SlipwayError
from slipway.manifest import Manifest
from slipway.tasks import task_of
from slipway.untrusted import shown

CLAIMS = ("target", "task", "threshold", "classes", "quantile", "key", "event_time")

IN_CODE = re.compile(rf"`({'|'.join(CLAIMS)}): *([^`\n]+)`")

LISTED = Annotated[
    list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
]


class Front(BaseModel):
    """What a card states at its top: metadata for the Hugging Face Hub, and claims."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    language: LISTED = []
    tags: LISTED = []
    target: str | None = None
    task: str | None = None
    threshold: float | None = None
    classes: list[Any] | None = None
    quantile: float | None = None
    key: str | list[str] | None = None
    event_time: str | None = None

    @classmethod
    def of(cls, page: Page) -> Front:
        """Read the top of a page.

        Raises
        ------
        SlipwayError
            Names the keys that are unknown or have a wrong type.
        """
        try:
            return cls.model_validate(dict(page.front))
        except ValidationError as error:
            keys = ", ".join(
                f"`{'.'.join(map(str, each['loc']))}` ({each['msg'][:1].lower()}{each['msg'][1:]})"
                for each in error.errors()
            )
            raise SlipwayError(
                f"{page.path}: between its lines ---: {keys}",
                f"correct or remove it; known are {', '.join(cls.model_fields)}",
            ) from None


@dataclass(frozen=True)
class Findings:
    """What is wrong with a written part, a sentence each.

    Attributes
    ----------
    open
        What is not written yet.
    wrong
        What contradicts the manifest.
    """

    open: list[str]
    wrong: list[str]

    def __bool__(self) -> bool:
        return bool(self.open or self.wrong)


def check_card(root: Path, manifest: Manifest) -> Findings:
    """Return what is open or wrong in the card of a tree.

    Raises
    ------
    SlipwayError
        The page cannot be read.
    """
    return check_content(Page.read(root, CARD), manifest)


def check_content(page: Page | None, manifest: Manifest | None) -> Findings:
    """Return what is open or wrong in a page.

    Parameters
    ----------
    page
        None: it is missing.
    manifest
        None: it is not known, so that nothing contradicts it.
    """
    if page is None:
        return Findings([f"{CARD}: is missing; `slipway card --new` writes one with prompts"], [])
    Front.of(page)
    return Findings(list(page.open()), list(_contradictions(page, manifest)) if manifest else [])


def report(findings: Findings) -> str:
    """Return findings as text."""
    if not findings:
        return f"{CARD}: complete, and agrees with the model's manifest"
    return "\n".join([*findings.wrong, *findings.open])


def _contradictions(page: Page, manifest: Manifest) -> Iterator[str]:
    truth = _truth(manifest)
    for key, claimed in _claims(page):
        if key not in truth:
            yield (
                f"{page.path}: states `{key}: {_text(claimed)}`, and a {task_of(manifest).name} "
                f"model has no {key}"
            )
        elif not _equal(claimed, truth[key]):
            yield (
                f"{page.path}: states `{key}: {_text(claimed)}`, and the manifest has "
                f"`{key}: {_text(truth[key])}`"
            )


def _truth(manifest: Manifest) -> Mapping[str, object]:
    """Return the claims that a model can be compared with."""
    task = task_of(manifest)
    return {
        "target": manifest["target"]["name"],
        "task": task.name,
        "key": manifest["key"],
        "event_time": manifest["event_time"],
        **({"threshold": manifest["threshold"]} if "threshold" in manifest else {}),
        **({"classes": [*task.classes]} if task.classes else {}),
        **({"quantile": task.quantile} if task.quantile is not None else {}),
    }


def _claims(page: Page) -> Iterator[tuple[str, object]]:
    stated = Front.of(page).model_dump(exclude_unset=True)
    yield from ((key, stated[key]) for key in CLAIMS if key in stated)
    for title, text in page.sections.items():
        for key, value in IN_CODE.findall(f"{title}\n{text}"):
            yield key, _value(value.strip())


def _value(text: str) -> object:
    """Return a value in code: a list in brackets, or a text."""
    if text.startswith("[") and text.endswith("]"):
        return [part.strip().strip("'\"") for part in text[1:-1].split(",") if part.strip()]
    return text.strip("'\"")


def _equal(claimed: object, true: object) -> bool:
    """Return whether two values are the same: numbers by value, classes in any order."""
    if isinstance(true, list):
        names = claimed if isinstance(claimed, list) else [claimed]
        return sorted(map(str, names)) == sorted(map(str, true))
    if true is None:
        return str(claimed).lower() in ("none", "null")
    if isinstance(true, int | float):
        try:
            return math.isclose(float(str(claimed)), true, rel_tol=1e-9)
        except ValueError:
            return False
    return str(claimed) == str(true)


def _text(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return f"{value:g}" if isinstance(value, float) else shown(value).strip("'")
