"""The smoke test of a release: sends requests from inside its container and checks the answers."""

from slipway.release.smoke_test.checks import Check, Expected
from slipway.release.smoke_test.run import (
    expected_of,
    repeat_smoke_test,
    require_passed,
    run_smoke_test,
)

__all__ = [
    "Check",
    "Expected",
    "expected_of",
    "repeat_smoke_test",
    "require_passed",
    "run_smoke_test",
]
