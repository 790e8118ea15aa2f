"""`python -m slipway` and the command `slipway`; an error of the imports ends with exit code 2."""

import gc
from typing import NoReturn

from slipway.exits import run_command

# Objects made before the garbage collector looks for cycles, and runs of a generation before the
# next older one: by default it takes an eighth of the time in which scikit-learn is imported.
THRESHOLDS = (200_000, 30, 30)


def main() -> NoReturn:
    gc.set_threshold(*THRESHOLDS)
    run_command(_command_name, _run)


def _run() -> int:
    from slipway.cli import run

    return run()


def _command_name() -> str:
    try:
        from slipway.cli import command_name
    except Exception:  # noqa: BLE001 - `_run` raises it again, and it is reported there
        return "slipway"
    return command_name()


if __name__ == "__main__":
    main()
