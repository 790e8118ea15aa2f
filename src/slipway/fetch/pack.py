"""Send the log and the model of this container as one stream. Needs Python only.

The log grows meanwhile, so every file is sent as long as it was when its turn came: a record
cut in two at the end is one that a reader passes over.
"""

import os
import sys
import tarfile

FOLDERS = (
    ("log", os.environ.get("SLIPWAY_LOG") or "/var/lib/slipway/log"),
    ("model", "build/model"),
)

with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as stream:
    for name, folder in FOLDERS:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if not entry.is_file(follow_symlinks=False) or entry.name.startswith("."):
                continue
            with open(entry.path, "rb") as file:  # noqa: PTH123
                about = tarfile.TarInfo(f"{name}/{entry.name}")
                about.size = os.fstat(file.fileno()).st_size
                stream.addfile(about, file)
