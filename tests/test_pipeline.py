"""The pipeline uses the installed version of slipway."""

from __future__ import annotations

from slipway import stages


def test_the_digests_of_the_stages_are_up_to_date() -> None:
    assert stages.FILE.read_text("utf-8") == stages.text(), "run `make lock`, then `dvc repro`"
