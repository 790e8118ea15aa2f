"""The packages of the lock, for the image's Python and processor and no other."""

from __future__ import annotations

import re
import sys

import pytest
from tests.image.conftest import locked

from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.release.image.packages import Platform, install

SERVER = Platform("3.11.16", "x86_64", 36)
ARM = Platform("3.12.1", "aarch64", 41)


def test_conditions_are_judged_for_the_image_not_for_this_machine(tmp_path):
    lines = {
        "idna": "sys_platform == 'darwin'",
        "click": "sys_platform == 'linux' and platform_machine == 'aarch64'",
        "anyio": "python_full_version < '3.12'",
    }
    lock = tmp_path / "some.lock"
    lock.write_text(
        "".join(
            f"{line.replace(' ', f' ; {condition} ', 1)}\n"
            for name, condition in lines.items()
            for line in locked(name)
        )
    )

    names = {
        platform: [each.name for each in install(lock, platform, tmp_path / "cache").packages]
        for platform in (SERVER, ARM)
    }

    assert names == {SERVER: ["anyio"], ARM: ["click"]}


def one_line(tmp_path, name):
    path = tmp_path / "one.lock"
    path.write_text("\n".join(locked(name)) + "\n")
    return path


@pytest.mark.parametrize(("platform", "machine"), [(SERVER, "x86-64"), (ARM, "aarch64")])
def test_wheels_fit_the_image_wherever_they_are_unpacked(tmp_path, platform, machine):
    site = install(one_line(tmp_path, "orjson"), platform, tmp_path / "cache")

    (library,) = site.path.rglob("*.so")
    python = platform.markers()["python_version"].replace(".", "")
    assert f"cpython-{python}-{platform.machine}-linux-gnu" in library.name
    machines = {0x3E: "x86-64", 0xB7: "aarch64"}
    assert machines[int.from_bytes(library.read_bytes()[18:20], "little")] == machine


def test_a_lock_is_unpacked_once(tmp_path):
    lock, cache = one_line(tmp_path, "idna"), tmp_path / "cache"
    first = install(lock, SERVER, cache)
    (first.path / "mark").touch()

    again = install(lock, SERVER, cache)

    assert (again.path / "mark").exists()
    assert again.packages == first.packages


def test_nothing_unpacked_names_the_python_that_unpacked_it(tmp_path):
    lock = one_line(tmp_path, "idna")

    unpacked = install(lock, SERVER, tmp_path / "cache").path.rglob("*")
    files = {path.name: path.read_text("utf-8") for path in unpacked if path.is_file()}

    assert "console_scripts" in files["entry_points.txt"]
    assert "bin/" not in files["RECORD"]
    assert not [name for name, text in files.items() if sys.executable in text]


def test_the_wheel_that_came_is_known_by_its_hash(tmp_path):
    lock = one_line(tmp_path, "idna")

    (package,) = install(lock, SERVER, tmp_path / "cache").packages

    assert f"{package.name}=={package.version}" in lock.read_text()
    assert package.sha256 in lock.read_text()


def test_a_wheel_that_is_not_the_locked_one_is_refused(tmp_path):
    lock = one_line(tmp_path, "idna")
    lock.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", lock.read_text()))

    with pytest.raises(SlipwayError, match="sha256") as error:
        install(lock, SERVER, tmp_path / "cache")
    assert "stop here" in error.value.do
    with pytest.raises(SlipwayError):  # and nothing half made is taken for it the next time
        install(lock, SERVER, tmp_path / "cache")


def test_a_base_without_python_is_refused(engine, tmp_path):
    (tmp_path / "file").touch()
    docker("import", str(_tar(tmp_path)), "slipway-test:empty")
    try:
        with pytest.raises(SlipwayError, match=r"deploy\.base_image slipway-test:empty") as error:
            Platform.of_image("slipway-test:empty")
    finally:
        docker("rmi", "slipway-test:empty")
    assert "python3" in error.value.do


@pytest.mark.parametrize(
    ("python", "machine", "libc"),
    [
        ("3.10.2", "x86_64", ("glibc", "2.36")),
        ("3.11.2", "x86_64", ("", "")),
        ("3.11.2", "x86_64", ("glibc", "2.12")),
        ("3.11.2", "ppc64le", ("glibc", "2.36")),
    ],
)
def test_a_base_for_which_there_are_no_wheels_is_refused(python, machine, libc):
    with pytest.raises(SlipwayError, match=r"deploy\.base_image some:base"):
        Platform.of_probe("some:base", python, machine, libc)


def test_a_base_that_does_not_exist_is_refused(engine):
    with pytest.raises(SlipwayError, match=r"deploy\.base_image 127\.0\.0\.1:9/none"):
        Platform.of_image("127.0.0.1:9/none")


def _tar(folder):
    import tarfile

    path = folder / "base.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(folder / "file", "file")
    return path
