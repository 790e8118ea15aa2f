"""`python -m slipway`, and the command `slipway`: an error while it starts is no *no* either."""

from typing import NoReturn

from slipway.exits import run_command


def main() -> NoReturn:
    run_command(_named, _answer)


def _answer() -> int:
    from slipway.cli import answer

    return answer()


def _named() -> str:
    try:
        from slipway.cli import named
    except Exception:  # noqa: BLE001 - it is then what is reported
        return "slipway"
    return named()


if __name__ == "__main__":
    main()
