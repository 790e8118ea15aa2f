"""The artifact of a run may be untrusted: it is read as bytes and checked before it is used."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import pytest
from tests.workflows.api import archive
from tests.workflows.conftest import RUN
from tests.workflows.drifting import drifted, quiet, silent

from slipway.errors import SlipwayError
from slipway.github.artifact import (
    MOST_BYTES,
    NoReport,
    NotBelieved,
    download,
    drift_report,
    parse,
    read_report,
    unpack,
)


def only_report(name: str) -> bool:
    return name == "report.json"


def test_an_honest_report_is_read(api, github):
    github.add_report(RUN, {"verdict": "better", "metrics": [1, 2.5, None, True, "AUC"]})

    assert read_report(api, RUN)["verdict"] == "better"


def test_the_token_is_not_sent_to_the_host_of_the_bytes(api, github):
    github.add_report(RUN, {})
    read_report(api, RUN)

    assert github.calls[-1] == "GET /blobs"


@pytest.mark.parametrize(
    "names",
    [
        ["../report.json"],
        ["/etc/report.json"],
        ["folder/report.json"],
        ["report.json", "report.html"],
        ["REPORT.JSON"],
        [],
    ],
)
def test_an_archive_with_any_other_name_in_it_is_not_believed(names):
    with pytest.raises(NotBelieved):
        unpack(archive(dict.fromkeys(names, b"{}")), only_report)


def test_a_name_that_is_there_twice_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("report.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("report.json", "{}")

    with pytest.raises(NotBelieved):
        unpack(buffer.getvalue(), only_report)


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused():
    bomb = archive({"report.json": b" " * (MOST_BYTES + 1)})
    assert len(bomb) < MOST_BYTES / 100

    with pytest.raises(NotBelieved, match="more than"):
        unpack(bomb, only_report)
    with pytest.raises(NotBelieved):
        unpack(with_size(bomb, 2), only_report)


def with_size(content: bytes, size: int) -> bytes:
    """Let an archive with one entry claim another size of it."""
    changed = bytearray(content)
    struct.pack_into("<I", changed, 22, size)
    struct.pack_into("<I", changed, changed.rindex(b"PK\x01\x02") + 24, size)
    return bytes(changed)


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", archive({"report.json": "{}"})[:-30]],
    ids=["empty", "text", "cut off"],
)
def test_what_is_no_archive_is_not_believed(content):
    with pytest.raises(NotBelieved):
        unpack(content, only_report)


def test_a_damaged_archive_is_not_believed():
    content = bytearray(archive({"report.json": b"0123456789" * 100}))
    content[45] ^= 0xFF

    with pytest.raises(NotBelieved):
        unpack(bytes(content), only_report)


def test_an_archive_under_a_password_is_not_believed():
    content = bytearray(archive({"report.json": "{}"}))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1

    with pytest.raises(NotBelieved):
        unpack(bytes(content), only_report)


@pytest.mark.parametrize(
    "text",
    [
        '{"auc": NaN}',
        '{"auc": Infinity}',
        '{"auc": -Infinity}',
        '{"auc": 1e999}',
        '{"rows": 1' + "0" * 400 + "}",
        '{"rows": 1' + "0" * 5_000 + "}",
        '{"verdict": "worse", "verdict": "better"}',
        '{"name": "\\ud800"}',
        "[" * 30 + "]" * 30,
        "[" * 100_000,
        '{"verdict": "better"} {}',
        '"better"',
        "[]",
        "",
    ],
)
def test_what_is_not_strict_json_is_not_believed(text):
    with pytest.raises(NotBelieved):
        parse(text.encode())


@pytest.mark.parametrize("content", [b"\xff\xfe{\0}\0", b'{"name": "\xe9"}'])
def test_what_is_not_utf_8_is_not_believed(content):
    with pytest.raises(NotBelieved):
        parse(content)


def test_a_run_without_the_artifact_left_no_report(api, github):
    github.add_artifact(RUN, "report-html", b"")

    with pytest.raises(NoReport):
        read_report(api, RUN)


def test_an_expired_artifact_is_no_report(api, github):
    github.add_artifact(RUN, "report", b"", expired=True)

    with pytest.raises(NoReport):
        read_report(api, RUN)


def test_of_two_artifacts_with_the_name_neither_is_believed(api, github):
    github.add_report(RUN, {"verdict": "worse"})
    github.add_report(RUN, {"verdict": "better"})

    with pytest.raises(NotBelieved):
        read_report(api, RUN)


def test_a_huge_artifact_is_not_even_fetched(api, github):
    github.add_artifact(RUN, "report", b"", size_in_bytes=10**12)

    with pytest.raises(NotBelieved, match="larger"):
        read_report(api, RUN)
    assert not any("blobs" in call for call in github.calls)


def test_an_artifact_larger_than_github_reported_is_not_read_to_its_end(api, github):
    github.add_artifact(RUN, "report", b" " * (MOST_BYTES + 1), size_in_bytes=10)

    with pytest.raises(SlipwayError, match="more than"):
        download(api, RUN, "report")


@pytest.mark.parametrize("report", [quiet(), drifted(), silent()], ids=lambda it: it["status"])
def test_a_report_of_the_drift_check_is_believed_if_it_keeps_its_schema(report):
    assert drift_report(archive({"drift.json": json.dumps(report)})).model_dump() == report


def test_a_report_of_the_drift_check_of_version_1_is_read_with_the_names_of_today():
    old = drifted() | {"version": 1, "status": "no answer"}
    del old["alarms"][0]["strength"]

    report = drift_report(archive({"drift.json": json.dumps(old)}))

    assert report.status == "inconclusive"
    assert [alarm.strength for alarm in report.alarms] == [0.0]


@pytest.mark.parametrize(
    "fault",
    [
        {"version": 3},
        {"status": "fine"},
        {"columns": [{"name": "temp"}]},
        {"words": ["drift"]},
        {"unknown": 1},
        {"rows": 1.5},
        {"first": "x" * 2_000},
        {"days": [{"day": "2013-10-01", "rows": 1, "streams": {"temp": 1e301}}]},
    ],
    ids=str,
)
def test_one_that_does_not_is_not(fault):
    with pytest.raises(NotBelieved, match=r"^drift\.json is not a report of "):
        drift_report(archive({"drift.json": json.dumps(quiet() | fault)}))
