"""Parts of the template's files that are about the starter, which `slipway adopt` replaces."""

from __future__ import annotations

import re
from collections.abc import Callable

# Parts of README.md and docs/.
OF_THE_STARTER = re.compile(r"<!-- starter -->\n.*?<!-- /starter -->\n\n?", re.DOTALL)

# Lines of pyproject.toml with a package that only the starter needs.
PACKAGE_OF_STARTER = re.compile(r'(?m)^ *"([\w.-]+)[^"]*",? *# starter\b.*\n')

# The plots of the stage `evaluate` in dvc.yaml.
PLOTS = re.compile(r"(?m)^    plots:\n((      .*|)\n)*")


def without_packages(text: str, keep: Callable[[str], bool] = lambda _: False) -> str:
    """Return a pyproject.toml without the packages of the starter, except those to keep."""
    for line in list(PACKAGE_OF_STARTER.finditer(text)):
        name = line[1]
        if not keep(name):
            text = text.replace(line[0], "", 1)
            text = re.sub(rf',? *"{re.escape(name)}"', "", text)  # in `source-only`
    return text
