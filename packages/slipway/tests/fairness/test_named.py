"""Which slices are protected: those that `src/model/slices.py` names."""

from __future__ import annotations

import pytest

from model import slices
from slipway import project
from slipway.errors import SlipwayError


def test_a_model_that_names_no_groups_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(slices, "PROTECTED", raising=False)
    assert project.protected() == ()
    assert project.protected_slices({}) == {}


@pytest.mark.parametrize("names", ["carrier", ("no such slice",), ("carrier", "carrier"), [1]])
def test_names_that_are_no_slices_are_refused_with_those_that_are(
    names: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICES", {"carrier": lambda columns: columns["carrier"]})
    monkeypatch.setattr(slices, "PROTECTED", names, raising=False)
    with pytest.raises(SlipwayError) as error:
        project.protected()
    assert "carrier" in str(error.value.do)
