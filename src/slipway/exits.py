"""How a command ends: 0 yes, 1 no, 2 it could not answer, and never a traceback.

Python ends with 1 after an exception, which would be read as *no*. Every command and module
that a person, a workflow or DVC starts therefore runs inside `run_command`. Needs only the standard
library: some jobs start before anything is installed.
"""

from __future__ import annotations

import io
import os
import platform
import re
import select
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import escape
from typing import NoReturn, TextIO

from slipway.errors import NO_ANSWER, YES, SlipwayError, first_line
from slipway.user_code import UserCodeError, explain, place

DEBUG = "SLIPWAY_DEBUG"

# Of the details, in the summary of a job: GitHub drops a summary of more than 1 MiB.
SHOWN = 100_000

SHORTEST_SECRET = 6  # letters: what is shorter is a word such as "true"
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|KEY|AUTH(?!OR)", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"(?<=://)[^/\s@]+@")


def run_command(name: Callable[[], str] | str, command: Callable[[], int | None]) -> NoReturn:
    """Run a command and end the process with its exit code.

    Parameters
    ----------
    name
        What to call the command in a sentence, as ``slipway train``.
    command
        Returns the exit code; None is 0.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name need not fit the terminal's code
            stream.reconfigure(errors="backslashreplace")
    called = name if callable(name) else lambda: name
    threading.excepthook = lambda thread: _report(called(), thread.exc_value or SystemExit())
    try:
        code = command() or YES
        _flush(sys.stdout)
    except BaseException as error:  # noqa: BLE001 - the one place where every exception ends
        code = _report(called(), error)
    _drop_unwritten()
    sys.exit(code)


@contextmanager
def ends_process(command: str) -> Iterator[None]:
    """End the process if the block raises: for what another program, as BentoML, runs of ours."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - as in `run_command`
        sys.exit(_report(command, error))


def _report(command: str, error: BaseException) -> int:
    """Write why a command ended; return its exit code."""
    if isinstance(error, SystemExit) and not place(error):
        return YES if error.code in (None, YES) else _say_text(error.code)
    if isinstance(error, BrokenPipeError) and _reader_is_gone(sys.stdout):
        return NO_ANSWER  # as in `slipway … | head`: the reader has seen enough
    if isinstance(error, KeyboardInterrupt):
        _write("slipway: stopped")
        return NO_ANSWER
    known = _known(command, error)
    details = ""
    if not isinstance(error, SlipwayError) or isinstance(known, UserCodeError):
        details = _keep_details(command, error)
    _say(known, details)
    if os.environ.get(DEBUG, "0") not in ("", "0") or os.environ.get("RUNNER_DEBUG") == "1":
        _write(_redacted("".join(traceback.format_exception(error))))
    return known.exit_code


def _known(command: str, error: BaseException) -> SlipwayError:
    """Return the error that the user is shown for an exception."""
    if isinstance(error, SlipwayError):
        return error
    if where := place(error):
        return explain(error, where)
    return SlipwayError(f"`{command}` failed: {_redacted(first_line(error))}", _advice(error))


def _advice(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "free memory, or run it on a machine with more"
    if isinstance(error, ModuleNotFoundError):
        return "`make setup` installs what requirements.lock names"
    if isinstance(error, OSError) and error.filename:
        return "check the path, its permissions, and the room on its disk"
    return "if no input or setting explains it, report it with the details"


def _say(error: SlipwayError, details: str) -> None:
    text = _redacted(str(error)) if isinstance(error, UserCodeError) else str(error)
    text += f" (details: {details})" if details else ""
    _write(f"slipway: {text}")
    if error.do:
        _write(f"  → {error.do}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from slipway.github.runner import annotate  # not in the image of the service

        with suppress(OSError, ValueError):
            annotate("error", (text.splitlines() or [""])[0], f"{text}\n{error.do}")


def _say_text(text: object) -> int:
    if not isinstance(text, int):
        _write(f"slipway: {text}")
    return NO_ANSWER


def _keep_details(command: str, error: BaseException) -> str:
    """Write the traceback to a file and to the job's summary; return the path, "" if there is none.

    The values of variables are not in it, and neither are secrets of the environment.
    """
    about = f"Python {platform.python_version()} on {platform.platform()}"
    trace = "".join(traceback.format_exception(error))
    text = _redacted(f"{command}\n{about}\n\n{trace}")
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        from slipway.github.runner import add_summary  # not in the image of the service

        with suppress(OSError):
            shown = escape(text[-SHOWN:])
            add_summary(
                f"<details><summary>Details of the failure</summary><pre>{shown}</pre></details>"
            )
    try:
        handle, path = tempfile.mkstemp(prefix="slipway-failed-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return ""
    return path


def _redacted(text: str) -> str:
    text = PASSWORD_IN_URL.sub("***@", text)
    for name, value in os.environ.items():
        if SECRET_NAME.search(name):
            for part in value.split(","):
                if len(part.strip()) >= SHORTEST_SECRET:
                    text = text.replace(part.strip(), "***")
    return text


def _write(line: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # there may be no stderr
        sys.stderr.write(f"{line.rstrip()}\n")
        sys.stderr.flush()


def _flush(stream: TextIO | None) -> None:
    if stream is not None:
        stream.flush()


def _can_write(stream: TextIO | None) -> bool:
    try:
        _flush(stream)
    except (OSError, ValueError):
        return False
    return True


def _reader_is_gone(stream: TextIO | None) -> bool:
    """Return whether a stream has no reader any more, also where Python does not buffer it."""
    if not _can_write(stream):
        return True
    if stream is None:
        return False
    ends = select.poll()
    with suppress(OSError, ValueError):
        ends.register(stream.fileno(), 0)
    gone = select.POLLERR | select.POLLHUP  # Linux reports the one, macOS the other
    return any(event & gone for _, event in ends.poll(0))


def _drop_unwritten() -> None:
    """Let Python's own last flush not fail, with a traceback and exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        if not _can_write(stream):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
