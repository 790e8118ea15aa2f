"""Hash the files that a job passes to later jobs, as an output that an artifact cannot change.

One file that uses only the standard library: after the rebuild, the system's Python runs it from a
fresh checkout in isolated mode, so that no restored or rebuilt file is executed. The later jobs
compare the downloaded files with that output before they use them (``--expect SEAL``).
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
    """Return one sha256 of files and folders: of the path and the sha256 of each file.

    Raises
    ------
    ValueError
        A path is missing or empty, or has an entry that is not a regular file.
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
        return _fail(f"The files cannot be hashed: {error}", NO_ANSWER)
    if expected is None:
        if output := os.environ.get("GITHUB_OUTPUT"):
            with Path(output).open("a", encoding="utf-8") as file:
                file.write(f"seal={found}\n")
        sys.stdout.write(f"{found}\n")
        return 0
    if not re.fullmatch(r"[0-9a-f]{64}", expected):
        return _fail("The first job has no output `seal`", NO_ANSWER)
    if found != expected:
        return _fail(
            f"The files are not the verified ones (seal {found[:12]}, expected {expected[:12]}): "
            "run the workflow again from its first job",
            NO,
        )
    sys.stdout.write(f"verified: {found}\n")
    return 0


def _fail(message: str, code: int) -> int:
    sys.stdout.write(f"::error title=Not released::{message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
