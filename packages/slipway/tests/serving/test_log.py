"""What the prediction log holds, and what its reader gives back."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import shutil
import stat
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import httpx
import numpy as np
import orjson
import pytest

from slipway import project
from slipway.errors import SlipwayError
from slipway.predictions.answers import BinaryAnswers
from slipway.predictions.reader import read_log
from slipway.predictions.record import stamp
from slipway.predictions.writer import Ids, LogUnavailable, PredictionLog
from slipway.schema.validator import Rows, RowValidator
from slipway.serving import api as api_module
from slipway.serving.api import Api
from slipway.serving.http import Request
from slipway.serving.metrics import Metrics
from slipway.serving.predict import Predictor
from slipway.serving.release import Release
from slipway.settings import read_params
from slipway.training.score import Model

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
RELEASE = Release("c" * 40, "d" * 32)


def record(number, time=MIDNIGHT, **changes):
    known = {
        "id": f"id-{number:03d}",
        "time": stamp(time),
        "key": f"key-{number}",
        "input": {"x": number / 3, "name": "A"},
        "probability": 0.1,
        "decision": False,
        "review": False,
        "model": "m",
        "data": "d",
        "commit": "c",
        "version": 1,
    }
    return orjson.dumps(known | changes) + b"\n"


def write(folder, *lines, name="2026-03-01_a.jsonl"):
    (folder / name).write_bytes(b"".join(lines))


def test_the_log_has_everything_about_a_prediction(service, model, commit, row):
    answer = service.predict(row).json()

    logged = service.logged().set_index("id").loc[answer["id"]]
    assert logged["probability"] == answer["probability"]
    assert logged["decision"] == answer["decision"]
    assert logged["review"] == answer["review"]
    assert logged["key"] == row["flight_id"]
    assert logged["model"] == model.sha256
    assert logged["data"] == model.manifest["data"]["md5"]
    assert logged["commit"] == commit
    assert abs(logged["time"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert {name: logged[f"input.{name}"] for name in row} == row


def test_a_logged_row_scores_again_to_the_last_bit(service, model, golden):
    rows = [example["row"] | {"temp": 1 / 3 + number} for number, example in enumerate(golden)]
    answers = service.predict(rows).json()

    frame = service.logged().set_index("id").loc[[answer["id"] for answer in answers]]
    inputs = frame.filter(like="input.").rename(columns=lambda name: name.removeprefix("input."))
    again = RowValidator(model.manifest["inputs"], project.RULES).parse(
        orjson.dumps(_without_nan(inputs.to_dict("records")))
    )
    assert isinstance(again, Rows)
    assert model.score(again.columns).tolist() == [answer["probability"] for answer in answers]
    assert inputs["temp"].tolist() == [row["temp"] for row in rows]


def _without_nan(rows):
    return [
        {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
        for row in rows
    ]


def test_each_day_has_its_own_file_and_a_prediction_is_in_the_file_of_its_day(
    tree, model, golden, tmp_path
):
    settings = read_params(tree / "params.yaml").serve
    times = iter(MIDNIGHT + timedelta(seconds=second) for second in (-2, -1, 0, 1))

    async def predict_around_midnight():
        log = PredictionLog(tmp_path, sync=True)
        metrics = Metrics(model.sha256, RELEASE, BinaryAnswers(model.manifest))
        predictor = Predictor(model, settings, RELEASE, log, metrics, clock=lambda: next(times))
        for example in golden[:4]:
            await predictor.predict(Request(orjson.dumps(example["row"])))
        await log.close()

    asyncio.run(predict_around_midnight())

    files = sorted(tmp_path.iterdir())
    assert [file.name[:10] for file in files] == ["2026-02-28", "2026-03-01"]
    assert [file.read_bytes().count(b"\n") for file in files] == [2, 2]
    assert len(read_log(tmp_path, since=MIDNIGHT)) == 2
    assert len(read_log(tmp_path, until=MIDNIGHT)) == 2
    assert len(read_log(tmp_path, MIDNIGHT - timedelta(seconds=1), MIDNIGHT)) == 1


class Listening(Predictor):
    """A predictor that keeps the headers of its requests, as a field of the log may need them."""

    heard: ClassVar[list[dict[bytes, bytes]]] = []

    async def predict(self, request):
        self.heard.append(dict(request.headers))
        return await super().predict(request)


def test_the_headers_of_a_request_reach_what_writes_its_record(tree, row, tmp_path, monkeypatch):
    monkeypatch.setenv("SLIPWAY_LOG", str(tmp_path))
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setattr(api_module, "Predictor", Listening)

    async def ask() -> None:
        api = Api()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await api(scope, receive, send)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.post("/predict", json=row, headers={"X-Client": "till 3"})
            answer.raise_for_status()
        await api.close()

    with contextlib.chdir(tree):
        asyncio.run(ask())
    assert [each[b"x-client"] for each in Listening.heard] == [b"till 3"]


class Unsound(Model):
    """A model that converts and fits its manifest, and has no score for a row."""

    def score(self, columns):
        return np.full_like(super().score(columns), np.nan)


def test_a_score_that_is_not_a_number_is_no_answer_and_is_not_logged(tree, golden, tmp_path):
    model = Unsound.load(tree / "build/model")

    async def predict():
        log = PredictionLog(tmp_path, sync=True)
        settings = read_params(tree / "params.yaml").serve
        predictor = Predictor(
            model,
            settings,
            RELEASE,
            log,
            Metrics(model.sha256, RELEASE, BinaryAnswers(model.manifest)),
        )
        with pytest.raises(ArithmeticError):
            await predictor.predict(Request(orjson.dumps(golden[0]["row"])))
        await log.close()

    asyncio.run(predict())

    assert not b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_record_is_in_its_file_when_append_returns(tmp_path):
    async def look_at_once():
        log = PredictionLog(tmp_path, sync=True)
        await log.append(MIDNIGHT.date(), record(1))
        (file,) = tmp_path.iterdir()
        found = file.read_bytes()
        await log.close()
        return found

    assert orjson.loads(asyncio.run(look_at_once())).items() >= orjson.loads(record(1)).items()


def test_records_that_wait_together_share_a_commit_and_keep_their_order(tmp_path):
    async def write_many():
        log = PredictionLog(tmp_path, sync=True)
        await asyncio.gather(*(log.append(MIDNIGHT.date(), record(n)) for n in range(200)))
        await log.close()

    asyncio.run(write_many())

    assert read_log(tmp_path)["id"].tolist() == [f"id-{n:03d}" for n in range(200)]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_log_that_cannot_be_written_is_reported_before_the_service_starts(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(SlipwayError, match="cannot be written"):
        PredictionLog(tmp_path / "file", sync=True)


def test_a_file_that_was_deleted_under_the_writer_loses_no_acknowledged_record(tmp_path):
    async def delete_between_two():
        log = PredictionLog(tmp_path, sync=True)
        await log.append(MIDNIGHT.date(), record(1))
        next(tmp_path.iterdir()).unlink()
        with pytest.raises(LogUnavailable):
            await log.append(MIDNIGHT.date(), record(2))
        await log.append(MIDNIGHT.date(), record(3))
        await log.close()

    asyncio.run(delete_between_two())

    assert read_log(tmp_path)["id"].tolist() == ["id-003"]


def append(log, *numbers):
    async def one_after_the_other():
        for number in numbers:
            await log.append(MIDNIGHT.date(), record(number))

    return one_after_the_other()


def ids_in(folder):
    return read_log(folder)["id"].tolist()


def test_a_record_is_never_acknowledged_that_went_with_a_folder_that_was_moved(tmp_path):
    here, there = tmp_path / "log", tmp_path / "moved"

    async def move_between_two():
        log = PredictionLog(here, sync=True)
        await append(log, 1)
        here.rename(there)
        with pytest.raises(LogUnavailable):
            await append(log, 2)
        assert ids_in(there) == ["id-001"]
        there.rename(here)
        await append(log, 3)
        await log.close()

    asyncio.run(move_between_two())

    assert ids_in(here) == ["id-001", "id-003"]


def test_records_follow_the_path_when_another_folder_takes_its_place(tmp_path):
    here, there = tmp_path / "log", tmp_path / "moved"

    async def replace_between_two():
        log = PredictionLog(here, sync=True)
        await append(log, 1)
        here.rename(there)
        here.mkdir()
        with pytest.raises(LogUnavailable):
            await append(log, 2)
        await append(log, 3, 4)
        await log.close()

    asyncio.run(replace_between_two())

    assert ids_in(there) == ["id-001"]
    assert ids_in(here) == ["id-003", "id-004"]


@pytest.fixture
def other_disk(tmp_path):
    """A folder on another file system than `tmp_path`."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no /dev/shm here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        if folder.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is one file system here")
        yield folder


def test_what_an_unmounted_disk_leaves_in_its_place_gets_no_record(tmp_path, other_disk):
    mounted, left, log_path = tmp_path / "disk", other_disk, tmp_path / "log"
    mounted.mkdir()
    log_path.symlink_to(mounted)

    def lead_to(folder):
        log_path.unlink()
        log_path.symlink_to(folder)

    async def unmount_for_a_while():
        log = PredictionLog(log_path, sync=True)
        await append(log, 1)
        lead_to(left)
        for number in (2, 3):
            with pytest.raises(LogUnavailable):
                await append(log, number)
            await asyncio.sleep(1.1)  # The folder is probed once a second at most.
        assert not await log.writable()
        lead_to(mounted)
        await asyncio.sleep(1.1)
        assert await log.writable()
        await append(log, 4)
        await log.close()

    asyncio.run(unmount_for_a_while())

    assert list(left.iterdir()) == []
    assert ids_in(mounted) == ["id-001", "id-004"]


def test_a_disk_that_is_back_under_another_number_is_known_by_its_last_file(tmp_path, other_disk):
    log_path = tmp_path / "log"
    log_path.mkdir()

    async def come_back():
        log = PredictionLog(log_path, sync=True)
        await append(log, 1)
        for path in log_path.iterdir():
            shutil.copy(path, other_disk)
        shutil.rmtree(log_path)
        log_path.symlink_to(other_disk)
        await asyncio.sleep(1.1)
        assert await log.writable()
        with pytest.raises(LogUnavailable):
            await append(log, 2)
        await append(log, 3)
        await log.close()

    asyncio.run(come_back())

    assert ids_in(other_disk) == ["id-001", "id-003"]


def test_a_new_folder_is_for_its_owner_and_group_and_one_that_is_there_is_left_alone(tmp_path):
    already = tmp_path / "already"
    already.mkdir(mode=0o755)
    already.chmod(0o755)

    PredictionLog(tmp_path / "new", sync=True)
    PredictionLog(already, sync=True)

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) & 0o027 == 0
    assert stat.S_IMODE(already.stat().st_mode) == 0o755


def test_a_torn_last_line_is_passed_over_and_counted(tmp_path):
    write(tmp_path, record(1), record(2), record(3)[:-20])
    write(tmp_path, record(4), name="2026-03-01_b.jsonl")

    frame = read_log(tmp_path)

    assert frame["id"].tolist() == ["id-001", "id-002", "id-004"]
    assert frame.attrs["torn"] == 1


@pytest.mark.parametrize(
    "line", [record(2)[:-20] + b"\n", b"[]\n", record(2, version=2), b'{"id": 3}\n']
)
def test_a_line_that_is_no_record_is_left_out_counted_and_named(tmp_path, line):
    write(tmp_path, record(1), line, record(3))

    frame = read_log(tmp_path)

    assert frame["id"].tolist() == ["id-001", "id-003"]
    (fault,) = frame.attrs["faults"]
    assert re.search(r"1 line is not a record; the first: .*2026-03-01_a\.jsonl: line 2", fault)


def test_a_log_is_read_from_any_fsspec_url():
    files = fsspec.filesystem("memory")
    files.pipe("/bucket/log/2026-03-01_a.jsonl", record(1) + record(2))

    assert read_log("memory://bucket/log")["id"].tolist() == ["id-001", "id-002"]


def test_an_empty_log_has_every_column_and_no_row(tmp_path):
    frame = read_log(tmp_path)

    assert frame.empty
    assert {"id", "time", "probability", "model"} <= set(frame.columns)


def test_a_log_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SlipwayError, match="no such folder"):
        read_log(tmp_path / "nothing")


def test_columns_that_came_later_or_were_always_empty_are_there(tmp_path):
    write(
        tmp_path,
        record(1, input={"x": 1, "empty": None}),
        record(2, input={"x": 2.5, "empty": None, "new": "late"}),
    )

    frame = read_log(tmp_path)

    assert frame["input.x"].tolist() == [1.0, 2.5]
    assert frame["input.empty"].isna().all()
    assert frame["input.new"].isna().tolist() == [True, False]


def test_ids_grow_even_when_the_clock_is_set_back():
    ids = Ids()
    clock = [MIDNIGHT + timedelta(milliseconds=shift) for shift in (0, 0, 5, -9000, 5, 6)]

    made = [ids.next(now) for now in clock]

    assert made == sorted(set(made))


def test_ids_of_two_workers_differ_within_the_same_millisecond():
    one, other = Ids(), Ids()

    made = [maker.next(MIDNIGHT) for maker in (one, other) for _ in range(1000)]

    assert len(set(made)) == 2000


def test_numbers_survive_the_log_exactly(tmp_path):
    numbers = np.random.default_rng(0).standard_normal(500) * 10.0 ** np.arange(-250, 250)
    lines = [record(n, input={"x": x}, probability=x) for n, x in enumerate(numbers.tolist())]
    write(tmp_path, *lines)

    frame = read_log(tmp_path)

    assert (frame["input.x"].to_numpy() == numbers).all()
    assert (frame["probability"].to_numpy() == numbers).all()
