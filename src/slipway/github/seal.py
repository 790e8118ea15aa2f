"""Bind the files that a job hands on to an output of that job, which no artifact can change.

Standard library only, one file: after the rebuild it is run from a fresh checkout by the system's
Python in isolated mode, so that nothing which was restored or rebuilt takes part. The next jobs
compare before they use what they have downloaded (``--expect SEAL``).
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

NO, NO_ANSWER = 1, 2


def seal(paths: Sequence[str]) -> str:
    """Return the sha256 that names some files and folders: of the path and sha256 of each file.

    Raises
    ------
    ValueError
        A path is missing or empty, or something in it is no regular file.
    """
    lines = sorted(line for path in paths for line in _lines(Path(path)))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _lines(path: Path) -> Iterator[str]:
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*"))
    if not files:
        raise ValueError(f"{path}: missing or empty")
    for file in files:
        if file.is_symlink() or not (file.is_file() or file.is_dir()):
            raise ValueError(f"{file}: not a regular file")
        if file.is_file():
            yield f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.as_posix()!r}\n"


def main(arguments: Sequence[str]) -> int:
    """Write the seal of the files as the output `seal`, or compare with ``--expect SEAL``."""
    expected = None
    if arguments[:1] == ["--expect"]:
        expected, arguments = "".join(arguments[1:2]), arguments[2:]
    try:
        found = seal(arguments)
    except (OSError, ValueError) as error:
        return _fail(f"What is handed on cannot be hashed: {error}", NO_ANSWER)
    if expected is None:
        if output := os.environ.get("GITHUB_OUTPUT"):
            with Path(output).open("a", encoding="utf-8") as file:
                file.write(f"seal={found}\n")
        sys.stdout.write(f"{found}\n")
        return 0
    if not re.fullmatch(r"[0-9a-f]{64}", expected):
        return _fail("The job before has handed on no seal", NO_ANSWER)
    if found != expected:
        return _fail(
            f"What arrived is not what was verified (seal {found[:12]}, expected {expected[:12]}): "
            "run the workflow again from its first job",
            NO,
        )
    sys.stdout.write(f"as verified: {found}\n")
    return 0


def _fail(words: str, code: int) -> int:
    sys.stdout.write(f"::error title=Not released::{words}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
