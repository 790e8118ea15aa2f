"""Exit codes of the commands: 0 yes, 1 no, 2 inconclusive or an error, without a traceback.

After an exception, Python exits with 1, which would mean *no*. Every command and module that a
person, a workflow or DVC starts therefore runs inside `run_command`. It uses only the standard
library: some steps run before anything is installed.
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
from typing import NoReturn, TextIO

from slipway.errors import INCONCLUSIVE, YES, SlipwayError, first_line
from slipway.user_code import UserCodeError, explain, find_line

DEBUG = "SLIPWAY_DEBUG"

# Characters of the details in the summary of a job: GitHub drops a summary of more than 1 MiB.
SHOWN = 100_000

SHORTEST_SECRET = 6  # characters; shorter values are words such as "true"
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|KEY|AUTH(?!OR)", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"(?<=://)[^/\s@]+@")


def run_command(name: Callable[[], str] | str, command: Callable[[], int | None]) -> NoReturn:
    """Run a command and end the process with its exit code.

    Parameters
    ----------
    name
        Name of the command in messages, such as ``slipway train``.
    command
        Returns the exit code; None is 0.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # the terminal may lack the letters of a path
            stream.reconfigure(errors="backslashreplace")
    get_name = name if callable(name) else lambda: name
    threading.excepthook = lambda thread: _report(get_name(), thread.exc_value or SystemExit())
    try:
        code = command() or YES
        _flush(sys.stdout)
    except BaseException as error:  # noqa: BLE001 - every exception ends here
        code = _report(get_name(), error)
    _drop_unwritten()
    sys.exit(code)


@contextmanager
def ends_process(command: str) -> Iterator[None]:
    """End the process if the block raises: for code that another program, as BentoML, calls."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - as in `run_command`
        sys.exit(_report(command, error))


def _report(command: str, error: BaseException) -> int:
    """Write the message of an exception; return the exit code."""
    if isinstance(error, SystemExit) and not find_line(error):
        return YES if error.code in (None, YES) else _write_exit_message(error.code)
    if isinstance(error, BrokenPipeError) and _reader_is_gone(sys.stdout):
        return INCONCLUSIVE  # as in `slipway … | head`: the reader has closed the pipe
    if isinstance(error, KeyboardInterrupt):
        _write("slipway: stopped")
        return INCONCLUSIVE
    shown = _shown_error(command, error)
    details = ""
    if not isinstance(error, SlipwayError) or isinstance(shown, UserCodeError):
        details = _keep_details(command, error)
    _write_error(shown, details)
    if os.environ.get(DEBUG, "0") not in ("", "0") or os.environ.get("RUNNER_DEBUG") == "1":
        _write(_redacted("".join(traceback.format_exception(error))))
    return shown.exit_code


def _shown_error(command: str, error: BaseException) -> SlipwayError:
    """Return the error with the message for an exception."""
    if isinstance(error, SlipwayError):
        return error
    if line := find_line(error):
        return explain(error, line)
    return SlipwayError(f"`{command}` failed: {_redacted(first_line(error))}", _advice(error))


def _advice(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "free memory, or use a machine with more memory"
    if isinstance(error, ModuleNotFoundError):
        return "run `make setup`: it installs the packages of requirements.lock"
    if isinstance(error, OSError) and error.filename:
        return "check the path, its permissions and the free space of its disk"
    return "if no input or setting explains it, report the error with the details"


def _write_error(error: SlipwayError, details: str) -> None:
    text = _redacted(str(error)) if isinstance(error, UserCodeError) else str(error)
    text += f" (details: {details})" if details else ""
    _write(f"slipway: {text}")
    if error.do:
        _write(f"  → {error.do}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from slipway.actions import annotate  # not in the image of the service

        with suppress(OSError, ValueError):
            annotate("error", (text.splitlines() or [""])[0], f"{text}\n{error.do}")


def _write_exit_message(text: object) -> int:
    if not isinstance(text, int):
        _write(f"slipway: {text}")
    return INCONCLUSIVE


def _keep_details(command: str, error: BaseException) -> str:
    """Write the traceback to a file and to the job's summary; return its path, or "".

    It has no values of variables and no secrets of the environment.
    """
    about = f"Python {platform.python_version()} on {platform.platform()}"
    trace = "".join(traceback.format_exception(error))
    text = _redacted(f"{command}\n{about}\n\n{trace}")
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        from slipway.actions import add_summary  # not in the image of the service
        from slipway.untrusted import escape_html

        with suppress(OSError):
            shown = escape_html(text[-SHOWN:])
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
    """Return whether a stream has no reader any more, also if Python does not buffer it."""
    if not _can_write(stream):
        return True
    if stream is None:
        return False
    ends = select.poll()
    with suppress(OSError, ValueError):
        ends.register(stream.fileno(), 0)
    gone = select.POLLERR | select.POLLHUP  # Linux reports the first, macOS the second
    return any(event & gone for _, event in ends.poll(0))


def _drop_unwritten() -> None:
    """Redirect closed streams, so that Python's final flush does not fail with exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        if not _can_write(stream):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
