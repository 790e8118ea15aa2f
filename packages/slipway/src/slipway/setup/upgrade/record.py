"""What `pyproject.toml` records: the address of upstream, and the version that the fork has."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from slipway.errors import SlipwayError

FILE = "pyproject.toml"

SECTION = "[tool.slipway]"

OWN_LINES = re.compile(r'(?m)^(?:upstream|template) = ".*\n')

# The package, as a folder or as a released wheel.
SOURCE = re.compile(r"(?m)^slipway-ml = \{.*$")
WHEEL = re.compile(r'\burl = "([^"]+)"')


@dataclass(frozen=True)
class Record:
    """The settings of `[tool.slipway]` that `slipway upgrade` reads and writes.

    Attributes
    ----------
    upstream
        Address of the repository of the template; empty if none is recorded.
    template
        Commit of upstream that the fork was brought to last; empty before the first upgrade.
    """

    upstream: str = ""
    template: str = ""


def read_section(text: str, *names: str) -> Mapping[str, object]:
    """Return the section of a pyproject.toml that some names lead to; empty if it has none.

    Raises
    ------
    SlipwayError
        It is not TOML.
    """
    try:
        section: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SlipwayError(f"{FILE}: {error}", "fix it, and commit it") from None
    for name in names:
        section = section.get(name) if isinstance(section, dict) else None
    return section if isinstance(section, dict) else {}


def read_record(text: str) -> Record:
    """Return what a pyproject.toml records.

    Raises
    ------
    SlipwayError
        The file is not TOML, or a setting is not text.
    """
    settings, values = read_section(text, "tool", "slipway"), dict[str, str]()
    for name in ("upstream", "template"):
        value = settings.get(name, "")
        if not isinstance(value, str):
            raise SlipwayError(f"{FILE}: {SECTION} {name} is not text", "write it in quotes")
        values[name] = value
    return Record(**values)


def without_record(text: str) -> str:
    """Return a pyproject.toml without the lines that `with_record` adds."""
    before, section, after = text.partition(f"{SECTION}\n")
    own, heading, others = after.partition("\n[")
    return before + section + OWN_LINES.sub("", own) + heading + others


def with_record(text: str, record: Record, version: str) -> str:
    """Return a pyproject.toml with this record, as the first lines of its section."""
    text = without_record(text)
    if f"{SECTION}\n" not in text:
        text = f"{text.rstrip()}\n\n{SECTION}\n"
    lines = f'upstream = "{record.upstream}"\ntemplate = "{record.template}" # {version}\n'
    return text.replace(f"{SECTION}\n", f"{SECTION}\n{lines}", 1)
