"""Send the log and the model of this container as one tar stream. Needs Python only.

The log grows meanwhile, so each file is sent with the size it had when it was opened; a reader
leaves out a record that is cut off at the end. The last entry names the files of the log that are
not sent, with the reasons.
"""

import io
import json
import os
import re
import sys
import tarfile

FOLDERS = (
    ("log", os.environ.get("SLIPWAY_LOG") or "/var/lib/slipway/log"),
    ("model", "build/model"),
)

# The names that `slipway.fetch.unpack` accepts.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")

# Names that the service and file systems create.
OURS = re.compile(r"\.\d+\.probe|lost\+found")

MOST_NAMED = 50


def why_not(entry: os.DirEntry[str]) -> str:
    """Return why an entry is not sent, or ''."""
    if entry.is_symlink():
        return "a symbolic link"
    if not entry.is_file():
        return "a folder" if entry.is_dir() else "not a regular file"
    if entry.name.startswith("."):
        return "a hidden file"
    return (
        "" if NAME.fullmatch(entry.name) else "a name with other characters than A-Z a-z 0-9 . _ -"
    )


def send(entry: os.DirEntry[str], folder: str) -> str:
    """Add a file to the stream; return why it is not sent, or ''."""
    if reason := why_not(entry):
        return reason
    try:
        file = open(entry.path, "rb")  # noqa: PTH123, SIM115 - closed below
    except OSError as error:
        return error.strerror or "it cannot be opened"
    with file:
        about = tarfile.TarInfo(f"{folder}/{entry.name}")
        about.size = os.fstat(file.fileno()).st_size
        stream.addfile(about, file)
    return ""


with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as stream:
    left = []
    for name, folder in FOLDERS:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            reason = send(entry, name)
            if reason and name == "log" and not OURS.fullmatch(entry.name):
                left.append((entry.name[-60:], reason))
    note = json.dumps({"files": left[:MOST_NAMED], "more": len(left[MOST_NAMED:])}).encode()
    about = tarfile.TarInfo("left")
    about.size = len(note)
    stream.addfile(about, io.BytesIO(note))
