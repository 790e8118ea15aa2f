"""What the user's `model` package raises: a sentence that names the file and the line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from slipway.errors import SlipwayError, first_line

PACKAGE = "model"


class UserCodeError(SlipwayError):
    """The user's code raised; `__cause__` is what it raised."""


@contextmanager
def user_code(otherwise: str = "") -> Iterator[None]:
    """Turn what the user's code raises into a sentence.

    Parameters
    ----------
    otherwise
        What to name where no line of the `model` package takes part: a library failed with
        what the package handed to it. If empty, such an exception passes.

    Raises
    ------
    UserCodeError
        The exception comes from the `model` package.
    """
    try:
        yield
    except SlipwayError:
        raise
    except (Exception, SystemExit) as error:  # a model that calls `exit()` is no answer either
        found = place(error) or otherwise
        if not found:
            raise
        raise explain(error, found) from error


def explain(error: BaseException, where: str) -> UserCodeError:
    return UserCodeError(
        f"{where}: {first_line(error)}", "correct it there; SLIPWAY_DEBUG=1 shows the traceback"
    )


def place(error: BaseException) -> str:
    """Return the line of the `model` package where an exception comes from; "" if from elsewhere.

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
    return place(error.__cause__) if error.__cause__ else ""


def _folder() -> Path | None:
    try:
        spec = find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _shown(file: Path, folder: Path) -> str:
    return file.relative_to(folder.parents[1]).as_posix()
