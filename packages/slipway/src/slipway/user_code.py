"""Report an exception of the user's `model` package with its file and line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from slipway.errors import SlipwayError, first_line

PACKAGE = "model"


class UserCodeError(SlipwayError):
    """An exception of the user's code, which is its `__cause__`."""


@contextmanager
def user_code(otherwise: str = "") -> Iterator[None]:
    """Convert exceptions of the user's code to `UserCodeError`.

    Parameters
    ----------
    otherwise
        Named in place of a line if no line of the `model` package is in the traceback: a library
        failed on objects of the package. If empty, such an exception is not converted.

    Raises
    ------
    UserCodeError
        The exception comes from the `model` package.
    """
    try:
        yield
    except SlipwayError:
        raise
    except (Exception, SystemExit) as error:  # `exit()` in a model is an error too
        line = find_line(error) or otherwise
        if not line:
            raise
        raise explain(error, line) from error


def explain(error: BaseException, line: str) -> UserCodeError:
    do = "fix it there; SLIPWAY_DEBUG=1 shows the traceback"
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] != PACKAGE:
        do = (
            "add its package to the extra `pipeline` of pyproject.toml (to `dependencies` if the "
            "service needs it), then `make lock` and `make setup`"
        )
    return UserCodeError(f"{line}: {first_line(error)}", do)


def find_line(error: BaseException) -> str:
    """Return the line of the `model` package that raised an exception; "" if there is none.

    It is the innermost line of the package: below it are the libraries that it calls.
    """
    folder = _folder()
    if folder is None:
        return ""
    if isinstance(error, SyntaxError) and error.filename:
        file = Path(error.filename)
        if file.is_relative_to(folder):
            return f"{_shown(file, folder)}, line {error.lineno or 1}"
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if Path(frame.filename).is_relative_to(folder):
            return f"{_shown(Path(frame.filename), folder)}, line {frame.lineno}, in {frame.name}"
    if isinstance(error, ImportError) and error.path and Path(error.path).is_relative_to(folder):
        return _shown(Path(error.path), folder)
    return find_line(error.__cause__) if error.__cause__ else ""


def _folder() -> Path | None:
    try:
        spec = find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _shown(file: Path, folder: Path) -> str:
    return file.relative_to(folder.parents[1]).as_posix()
