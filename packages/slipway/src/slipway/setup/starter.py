"""Parts of the template's files that are about the starter, which `slipway adopt` replaces."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Parts of README.md and docs/.
OF_THE_STARTER = re.compile(r"<!-- starter -->\n.*?<!-- /starter -->\n\n?", re.DOTALL)

# Lines of pyproject.toml with a package that only the starter needs.
PACKAGE_OF_STARTER = re.compile(r'(?m)^ *"([\w.-]+)[^"]*",? *# starter\b.*\n')

# The plots of the stage `evaluate` in dvc.yaml.
PLOTS = re.compile(r"(?m)^    plots:\n((      .*|)\n)*")


def packages_of_starter(text: str) -> list[str]:
    """Return the packages that a pyproject.toml marks as those of the starter."""
    return PACKAGE_OF_STARTER.findall(text)


def without_packages(text: str, names: Iterable[str]) -> str:
    """Return a pyproject.toml without the lines of some packages."""
    for name in names:
        text = re.sub(rf'(?m)^ *"{re.escape(name)}(?![\w.-])[^"]*",?.*\n', "", text)
        text = re.sub(rf',? *"{re.escape(name)}"', "", text)  # in `source-only`
    return text
