"""What becomes of a champion whose process does not end by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.comparison.champion import score
from slipway.errors import SlipwayError


def test_a_champion_that_is_killed_is_no_answer(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -9 $$\n", "utf-8")
    python.chmod(0o755)

    with pytest.raises(SlipwayError, match="memory") as error:
        score(tmp_path, str(python), tmp_path / "rows", tmp_path / "scores")

    assert error.value.exit_code == 2
