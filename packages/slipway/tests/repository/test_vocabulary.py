"""Messages, documentation and workflows use the standard terms: a short list of words to avoid."""

from __future__ import annotations

import re
import subprocess

import pytest
from tests.services.projects import ROOT

# A word to avoid, and what to write instead.
WORDS = {
    "anybody": "anyone, or name the role",
    "beside": "next to, in addition to",
    "came of": "resulted from",
    "can't tell": "inconclusive",
    "cannot tell": "inconclusive",
    "foreign": "untrusted",
    "goes before": "overrides",
    "harm": "performance degradation",
    "leaning": "feature importance",
    "mend": "fix",
    "mends": "fixes",
    "nobody": "no one, or name the role",
    "rehearsal": "dry run",
    "rehearse": "simulate",
    "restless": "overdispersed",
    "said": "reported, returned",
    "say": "report, return, write",
    "says": "reports, returns",
    "so many": "how many, the number of",
    "somebody": "someone, or name the role",
    "stands": "is",
    "stranger": "untrusted contributor",
    "strangers": "untrusted contributors",
    "tell": "report, show",
    "tells": "reports, shows",
    "told": "reported, shown",
    "whoever": "name the role",
    "wobble": "overdispersion",
}

# Also a part of an identifier: a word ends at an underscore too.
PATTERN = re.compile(
    rf"(?<![^\W_])({'|'.join(word.replace(' ', '[ _]') for word in WORDS)})(?![^\W_])",
    re.IGNORECASE,
)

# Identifiers that keep their names, and why.
KEPT = {
    "foreign_host": "an error code of the service, which clients compare",
    "on_cannot_tell": "a key of earlier versions, which is refused with its new name",
    "the_name_has_no_say": "a behaviour of the starter: its stages depend on its name",
}

PLACES = (
    ".ci",
    ".github",
    "README.md",
    "SECURITY.md",
    "Makefile",
    "bentofile.yaml",
    "deploy",
    "docs",
    "dvc.yaml",
    "params.yaml",
    "pyproject.toml",
    "src",
    "tests",
    "packages/slipway/Makefile",
    "packages/slipway/README.md",
    "packages/slipway/bench",
    "packages/slipway/pyproject.toml",
    "packages/slipway/src",
    "packages/slipway/tests",
)

# Data, styles and generated files, whose text is not prose of this repository.
OTHER = (".csv", ".ipynb", ".json", ".parquet", ".svg", ".lock")

SRC = "packages/slipway/src/slipway"

TESTS = "packages/slipway/tests"

# Keys and verdicts of earlier versions, which are still read, names of other programs, and the list
# of words in this module.
ALLOWED = {
    f"{SRC}/cli/help.py": {"rehearse", "tell"},
    f"{SRC}/comparison/report.py": {"cannot tell", "harm", "says"},
    f"{SRC}/monitoring/report.py": {"cannot tell"},
    f"{SRC}/predictions/reader.py": {"tell"},
    f"{SRC}/reference/history.py": {"wobble"},
    f"{SRC}/reference/reference.py": {"wobble"},
    f"{SRC}/reports/no_verdict.py": {"said"},
    f"{SRC}/reproduction/rebuild.py": {"said"},
    f"{SRC}/training/train.py": {"wobble"},
    f"{TESTS}/cli/test_help.py": {"rehearse", "tell"},
    f"{TESTS}/comparison/cases.py": {"cannot tell", "harm", "says"},
    f"{TESTS}/controls/test_controls.py": {"said"},
    f"{TESTS}/repository/test_vocabulary.py": set(WORDS),
}


def texts() -> dict[str, str]:
    """Return the text of each tracked file in `PLACES`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *PLACES], cwd=ROOT, check=True, capture_output=True
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return {
        name: (ROOT / name).read_text("utf-8")
        for name in names
        if not name.endswith(OTHER) and (ROOT / name).is_file()
    }


def word_of(match: re.Match[str]) -> str:
    """Return the key of `WORDS`."""
    return match[0].lower().replace("_", " ")


def matches(text: str) -> list[re.Match[str]]:
    """Return the words to avoid, but not those of identifiers that keep their names."""
    return list(PATTERN.finditer(re.sub(rf"\b({'|'.join(KEPT)})\b", "", text)))


def to_avoid(name: str, text: str) -> list[str]:
    """Return the lines of a file with a word to avoid."""
    allowed = ALLOWED.get(name, set())
    return [
        f"{name}:{number}: {match[0]}: write {WORDS[word_of(match)]}"
        for number, line in enumerate(text.splitlines(), start=1)
        for match in matches(line)
        if word_of(match) not in allowed
    ]


def test_no_text_has_a_word_to_avoid() -> None:
    assert [line for name, text in texts().items() for line in to_avoid(name, text)] == []


def test_no_allowed_place_is_out_of_date() -> None:
    known = texts()
    for name, words in ALLOWED.items():
        used = {word_of(match) for match in matches(known[name])}
        assert words <= used, name
    del known[f"{TESTS}/repository/test_vocabulary.py"]
    assert [name for name in KEPT if not any(name in text for text in known.values())] == []


@pytest.mark.parametrize(
    "line",
    [
        "# It says so.",
        '"the model cannot tell"',
        "**Nobody** knows.",
        "def _rehearse(root):",
        "def test_it_is_refused_and_says_why():",
        "if_cannot_tell: stop",
        "def the_name_has_no_say_here():",
        "SO_MANY = 3",
    ],
)
def test_such_a_line_would_be_found(line: str) -> None:
    assert to_avoid("docs/page.md", line)
