"""Check JSON of unknown origin against a pydantic model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from slipway.errors import Refused, first_fault

if TYPE_CHECKING:
    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)


class Newer(Refused):
    """The report has a version that this code does not know."""


def parse(model: type[Model], content: object, what: str) -> Model:
    """Return JSON as an instance of a model.

    Parameters
    ----------
    what
        What it should be, such as ``a report of `slipway judge```.

    Raises
    ------
    Refused
        Names the first place that differs and what is expected there.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(content)
    except ValidationError as error:
        place, fault = first_fault(error)
        raise Refused(f"not {what}: {place or 'all of it'}: {fault}") from None


def check_version(report: Mapping[str, object], supported: int) -> None:
    """Refuse a report of a later version.

    Raises
    ------
    Newer
        Names both versions.
    """
    version = report.get("version", supported)
    if type(version) is int and version > supported:
        raise Newer(
            f"not a report of version {supported}: a newer slipway wrote it, in version {version}",
            "read it with that slipway",
        )
