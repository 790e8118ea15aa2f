"""Bringing a log here: whole, while it grows, and nothing else that a container might send."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.services.projects import FLIGHTS, ROOT
from tests.services.servers import Server
from typer.testing import CliRunner

from slipway.cli import app
from slipway.errors import SlipwayError
from slipway.fetch.fetch import fetch, program
from slipway.fetch.unpack import unpack
from slipway.settings import read_params

SHA = "ab" * 32

LINES = b'{"version":1}\n' * 100


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders that a container of the service has, with the test standing in them."""
    home = tmp_path / "app"
    for name in ("build/model", "log"):
        (home / name).mkdir(parents=True)
    (home / "build/model/manifest.json").write_text(json.dumps({"model": {"sha256": SHA}}))
    (home / "build/model/model.onnx").write_bytes(b"\0" * 1000)
    (home / "log/2026-03-01_a.jsonl").write_bytes(LINES)
    monkeypatch.setenv("SLIPWAY_LOG", str(home / "log"))
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    return tmp_path / "out"


SEND = [sys.executable, "-c", program()]


def test_log_and_model_arrive_as_they_are(service, asked):
    fetched = unpack(SEND, asked)

    assert (fetched.files, fetched.size) == (1, len(LINES))
    assert (asked / "log/2026-03-01_a.jsonl").read_bytes() == LINES
    assert (asked / "model/model.onnx").read_bytes() == b"\0" * 1000


def test_a_log_that_grows_meanwhile_arrives_up_to_a_point(service, asked):
    path, done = service / "log/2026-03-01_a.jsonl", threading.Event()

    def write() -> None:
        with path.open("ab") as file:
            while not done.is_set():
                file.write(LINES)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        unpack(SEND, asked)
    finally:
        done.set()
        writer.join()

    arrived = (asked / "log/2026-03-01_a.jsonl").read_bytes()
    assert len(arrived) >= len(LINES)
    assert path.read_bytes().startswith(arrived)


def test_what_is_not_a_file_of_a_plain_name_stays_where_it_is_and_is_named(service, asked):
    (service / "log/secret.jsonl").symlink_to("/etc/passwd")
    (service / "log/.7.probe").write_bytes(b"")
    os.mkfifo(service / "log/pipe.jsonl")
    (service / "log/my log.jsonl").write_bytes(LINES)
    (service / "log" / os.fsdecode(b"\xff.jsonl")).write_bytes(LINES)
    fetched = unpack(SEND, asked)

    assert [path.name for path in (asked / "log").iterdir()] == ["2026-03-01_a.jsonl"]
    (left,) = fetched.left
    assert left.startswith("4 files were not read: ")
    assert "my log.jsonl" in left
    assert "pipe.jsonl (not a regular file)" in left
    assert left.encode()


def test_files_that_are_left_are_counted_however_many_and_however_long(service, asked):
    for number in range(300):
        (service / f"log/{number}{'ü ' * 60}.jsonl").write_bytes(b"")
    fetched = unpack(SEND, asked)

    assert fetched.left[0].startswith("300 files were not read: ")


@pytest.mark.parametrize("note", [b"[]", b"{", b'{"files": 3, "more": 0}', b"[" * 50_000])
def test_a_list_of_other_files_that_is_not_one_is_refused(asked, note, tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        about = tarfile.TarInfo("left")
        about.size = len(note)
        archive.addfile(about, io.BytesIO(note))
    (tmp_path / "sent.tar").write_bytes(stream.getvalue())

    with pytest.raises(SlipwayError, match="list of other files"):
        unpack(["cat", str(tmp_path / "sent.tar")], asked)


@pytest.mark.parametrize("name", ["../evil", "log/../../evil", "/etc/evil", "log/a/b", "other/a"])
def test_a_file_under_any_other_name_is_refused(asked, name, tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    (tmp_path / "sent.tar").write_bytes(stream.getvalue())

    with pytest.raises(SlipwayError, match="sent a file called"):
        unpack(["cat", str(tmp_path / "sent.tar")], asked)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["sh", "-c", "echo 'no such container' >&2; exit 1"], "no such container"),
        (["sh", "-c", "echo something else"], "not a stream of log files"),
        (["sh", "-c", "true"], "not a stream of log files"),
        ([*SEND[:2], f"{program()}\nraise SystemExit('cut off')"], "cut off"),
    ],
)
def test_what_fails_is_an_error_with_its_reason(service, asked, command, message):
    with pytest.raises(SlipwayError, match=message):
        unpack(command, asked)


class TestAddress:
    """A log that the service writes to a folder or bucket of its own."""

    @pytest.fixture(autouse=True)
    def model(self, tmp_path, monkeypatch):
        """A working tree with the model of its commit."""
        (tmp_path / "tree/build/model").mkdir(parents=True)
        manifest = json.dumps({"model": {"sha256": SHA}})
        (tmp_path / "tree/build/model/manifest.json").write_text(manifest)
        monkeypatch.chdir(tmp_path / "tree")

    @pytest.fixture
    def settings(self):
        return read_params(FLIGHTS / "params.yaml")

    def test_a_folder_is_copied_and_the_model_is_that_of_this_commit(
        self, asked, settings, tmp_path
    ):
        (tmp_path / "somewhere").mkdir()
        (tmp_path / "somewhere/a.jsonl").write_bytes(LINES)
        (tmp_path / "somewhere/notes.txt").write_bytes(b"mine")

        line = fetch(str(tmp_path / "somewhere"), asked, settings)

        assert line.endswith(f"1 file of the log, 0.0 MB; the model is {SHA[:12]}")
        assert [path.name for path in (asked / "log").iterdir()] == ["a.jsonl"]

    def test_a_bucket_is_as_well(self, asked, settings, s3: Server, monkeypatch):
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        s3.files.pipe("models/predictions/a.jsonl", LINES)

        fetch("s3://models/predictions", asked, settings)

        assert (asked / "log/a.jsonl").read_bytes() == LINES

    def test_what_was_fetched_before_is_gone(self, asked, settings, tmp_path):
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            (tmp_path / name / f"{name}.jsonl").write_bytes(LINES)
            fetch(str(tmp_path / name), asked, settings)

        assert [path.name for path in (asked / "log").iterdir()] == ["second.jsonl"]

    def test_a_log_that_no_fetch_has_written_is_not_replaced(self, settings, tmp_path):
        (tmp_path / "mine/log").mkdir(parents=True)
        (tmp_path / "mine/log/a.jsonl").write_bytes(LINES)

        with pytest.raises(SlipwayError, match="no earlier"):
            fetch(str(tmp_path / "mine/log"), tmp_path / "mine", settings)

        assert (tmp_path / "mine/log/a.jsonl").read_bytes() == LINES

    def test_one_that_fails_keeps_what_was_fetched_before(self, asked, settings, tmp_path):
        (tmp_path / "first").mkdir()
        (tmp_path / "first/a.jsonl").write_bytes(LINES)
        fetch(str(tmp_path / "first"), asked, settings)

        with pytest.raises(SlipwayError):
            fetch("/nowhere/at/all", asked, settings)
        fetch(str(asked / "log"), asked, settings)

        assert [path.name for path in (asked / "log").iterdir()] == ["a.jsonl"]

    @pytest.mark.parametrize("address", ["/nowhere/at/all", "nothing://x", "s3://missing/x"])
    @pytest.mark.usefixtures("no_buckets")
    def test_one_that_cannot_be_read_is_an_error_that_a_later_job_can_read(
        self, asked, address, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
        monkeypatch.chdir(ROOT)

        done = CliRunner().invoke(app, ["log", "fetch", "--from", address, "--out", str(asked)])

        assert isinstance(done.exception, SlipwayError)
        output = (tmp_path / "output").read_text("utf-8")
        assert output.startswith("why=the log could not be fetched: ")
        assert output.count("\n") == 1


def test_a_simulation_sends_later_months_through_the_real_service(
    small_repository, tmp_path, monkeypatch
):
    from slipway.fetch import simulate
    from slipway.predictions.labels.store import read_labels
    from slipway.predictions.reader import read_log

    monkeypatch.chdir(small_repository)
    monkeypatch.setattr(simulate, "MOST_MONTHS", 1)
    tally = simulate.simulate(tmp_path)

    assert tally.refused == []
    frame = read_log(tmp_path / "log")
    assert len(frame) == tally.answered > 20_000
    assert np.isfinite(frame["probability"]).all()
    assert len(read_labels(tmp_path / "labels")) > 20_000
