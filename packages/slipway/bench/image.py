"""The image compared with that of `bentoml containerize`: size, and time from start to ready.

Both on the same base, that of the tests (`tests/services/engine`), so that no registry is needed.
BentoML's Dockerfile is used as BentoML wrote it, but for its base: the same, with pip, as
python:3.11-slim has it, and this machine's certificates. What those two take is not counted.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from support.measure import clean_copy, machine, median, restore, seconds, table

from slipway.containers import Container
from slipway.dataset.tables import read_json
from slipway.docker import docker
from slipway.proxies import open_here

BASE = "slipway-test-base:bookworm"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

WITH_PIP = f"""\
FROM {BASE}
COPY certificates {CERTIFICATES}
ENV SSL_CERT_FILE={CERTIFICATES}
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pip \\
    && rm /usr/lib/python3*/EXTERNALLY-MANAGED
"""

HARDENED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"]

ROUNDS = 5
BUILD_SECONDS = 1800
READY_SECONDS = 60
AIMS = "Aims: at most half the size; at most 3 s to ready."


@dataclass
class Image:
    """An image, how it is started, what was built on, and its times to ready."""

    name: str
    reference: str
    options: list[str]
    base: str = BASE
    times: list[float] = field(default_factory=list)

    def megabytes(self) -> float:
        """Return its size on the shared base."""
        return (_size(self.reference) - _size(self.base) + _size(BASE)) / 1e6

    def start(self) -> float:
        """Start it and return the seconds until it is ready."""
        container = Container(f"slipway-bench-{uuid.uuid4().hex}")
        begun = time.perf_counter()
        run = ["run", "--detach", "--publish=127.0.0.1::3000", "--name", container.name]
        docker(*run, *self.options, self.reference)
        try:
            address = docker("port", container.name, "3000").split()[0]
            while not _is_ready(f"http://{address}/readyz"):
                if time.perf_counter() - begun > READY_SECONDS:
                    sys.exit(f"{self.name} did not get ready:\n{container.output()}")
                time.sleep(0.02)
            return time.perf_counter() - begun
        finally:
            container.remove()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = clean_copy(Path(folder))
        restore(copy, "data.dvc", "build/model")
        images = [ours(copy), theirs(copy, Path(folder))]
    for _ in range(ROUNDS):
        for image in images:
            image.times.append(image.start())
    print("## The image\n")
    print(
        f"Start to ready: from `docker run` to the first 200 of /readyz, median of {ROUNDS} rounds "
        f"(fastest to slowest), interleaved. {machine()}\n"
    )
    print(table([_row(image, images[1]) for image in images]))
    print(f"\n{AIMS}")
    docker("rmi", "--force", *(image.reference for image in images), images[1].base)


def ours(copy: Path) -> Image:
    params = copy / "params.yaml"
    text = re.sub(r"(?m)^  base_image: .*", f"  base_image: {BASE}", params.read_text("utf-8"))
    params.write_text(text, "utf-8")
    seconds([sys.executable, "-m", "slipway", "build", "--image"], copy)
    record = read_json(copy / "build/image.json", "slipway build --image")
    return Image("`slipway build --image`, read-only, no rights", record["image"], HARDENED)


def theirs(copy: Path, folder: Path) -> Image:
    """Build the Dockerfile that BentoML's own containerize would build, of the same bento."""
    base, tag = f"slipway-bench:{uuid.uuid4().hex}", f"slipway-bench:{uuid.uuid4().hex}"
    below = folder / "base"
    below.mkdir()
    (below / "Dockerfile").write_text(WITH_PIP, "utf-8")
    shutil.copy(CERTIFICATES, below / "certificates")
    docker("build", "--network=host", f"--tag={base}", str(below), seconds=BUILD_SECONDS)
    (bento,) = (copy / "build/bentoml/bentos/slipway").glob("*/")
    dockerfile = bento / "env/docker/Dockerfile"
    text = re.sub(r"(?m)^FROM \S+", f"FROM {base}", dockerfile.read_text("utf-8"))
    dockerfile.write_text(text, "utf-8")
    docker(
        *("build", "--network=host", f"--tag={tag}"),
        *("--file", str(dockerfile), str(bento)),
        seconds=BUILD_SECONDS,
    )
    # The service expects its model in its own folder; BentoML starts it one folder above.
    above = json.loads(docker("image", "inspect", tag))[0]["Config"]["WorkingDir"]
    return Image("`bentoml containerize`, as it comes", tag, [f"--workdir={above}/src"], base)


def _size(image: str) -> int:
    return int(json.loads(docker("image", "inspect", image))[0]["Size"])


def _is_ready(url: str) -> bool:
    try:
        with open_here(url, 5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _row(image: Image, other: Image) -> dict[str, str]:
    return {
        "": image.name,
        "MB, unpacked": f"{image.megabytes():.0f}",
        "of it": f"{image.megabytes() / other.megabytes():.2f}",
        "seconds to ready": median(image.times),
        "times as long": f"{statistics.median(image.times) / statistics.median(other.times):.2f}",
    }


if __name__ == "__main__":
    main()
