"""Check JSON against a JSON Schema."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

# A file made to hurt has a hundred thousand faults; the best of a few will do.
FAULTS = 20


def leave_iris_out() -> None:
    """Let jsonschema, when it is imported, do without its parser of IRIs.

    That builds a grammar for two seconds as soon as it is imported, in every command, where another
    package has brought it; no schema here has an IRI. Altair imports jsonschema too.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def find_fault(found: object, schema: Mapping[str, Any]) -> ValidationError | None:
    """Return the most relevant violation of a schema by some JSON; None if it is valid."""
    leave_iris_out()
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    return best_match(islice(Draft202012Validator(schema).iter_errors(found), FAULTS))
