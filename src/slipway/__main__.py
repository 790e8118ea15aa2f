"""`python -m slipway`, and the command `slipway`: an error while it starts is no *no* either."""

from typing import NoReturn

from slipway.exits import run_command


def main() -> NoReturn:
    run_command("slipway", _start)


def _start() -> None:
    from slipway.cli import main as answer

    answer()


if __name__ == "__main__":
    main()
