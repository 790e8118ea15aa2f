"""No output of a command has a value of a personal column, searched byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.privacy.conftest import DESTINATION, KEY, SEATS, Private

from slipway.errors import SlipwayError
from slipway.predictions.record import to_line

MARKERS = [text.encode() for text in (KEY, DESTINATION, str(SEATS))]


def lines_with_markers(*places: Path | str) -> list[str]:
    texts = []
    for place in places:
        if isinstance(place, str):
            texts.append((place, place.encode()))
        else:
            files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
            assert files
            texts += [(path.name, path.read_bytes()) for path in files]
    return [f"{name}: {marker!r}" for name, text in texts for marker in MARKERS if marker in text]


def fails(private: Private, *command: str) -> str:
    with pytest.raises(SlipwayError) as failed:
        private.run(*command)
    return str(failed.value)


def test_the_markers_are_found_where_they_may_be(marked: Private) -> None:
    rows = pq.read_table(max((marked.root / "data").glob("*.parquet"))).to_pylist()
    planted = next(row for row in rows if row["flight_id"] == KEY)
    written = to_line({name: str(value) for name, value in planted.items()})
    assert len(lines_with_markers(written.decode())) == 3


def test_the_log_has_hashes_and_no_dropped_value(marked: Private) -> None:
    assert lines_with_markers(marked.log, marked.batch / "batch.json") == []
    record = orjson.loads(next(marked.log.iterdir()).read_bytes().partition(b"\n")[0])
    assert record["key"] == record["input"]["flight_id"] != ""
    assert "dest" not in record["input"]


def test_reports_page_and_messages_have_no_personal_value(marked: Private, tmp_path: Path) -> None:
    bad = _bad_rows(marked, tmp_path / "bad.csv")
    log = str(marked.log)
    ids = [orjson.loads(line)["id"] for line in next(marked.log.iterdir()).open("rb")]
    rejected = tmp_path.with_name("rejected")  # its scores are a table of the user's, with keys
    shown = marked.run_all(
        ["validate", str(bad), "--json", str(tmp_path / "v.json")],
        ["report", str(tmp_path / "v.json"), "--html", str(tmp_path / "v.html")],
        ["labels", "import", str(bad), "--log", log],
        ["score-batch", "--rows", str(bad), "--out", str(rejected)],
        ["audit", ids[0], "--log", log, "--replay"],
        ["drift", "--log", log, *_both(tmp_path, "drift")],
        ["audit", ids[0], "--log", log, *_both(tmp_path, "audit")],
        ["page", "--out", str(tmp_path / "site"), "--log", log],
        ["schema"],
    )
    invalid, _, refused, _, replayed, *_ = shown
    assert "a personal value" in invalid
    assert "labels" in refused
    assert "personal" in replayed
    bad.unlink()

    places = [tmp_path, marked.root / "reports", rejected / "log", rejected / "rejected"]
    assert lines_with_markers(*shown, *places) == []
    reasons = pd.read_parquet(rejected / "rejected")["reason"].tolist()
    assert len(reasons) >= 3
    assert lines_with_markers("\n".join(reasons)) == []


def test_the_judgement_has_no_personal_value(marked: Private, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    outcome = ["slipway", "judge", "--base", "main~1", "--out", str(report)]
    try:
        printed = marked.run(*outcome)
    except SlipwayError as error:  # it may not be merged, or is inconclusive
        printed = str(error)
    html, markdown = tmp_path / "report.html", tmp_path / "report.md"
    marked.run("slipway", "report", str(report), "--html", str(html), "--markdown", str(markdown))

    assert lines_with_markers(printed, report, html, markdown) == []


def test_the_manifest_lists_no_value_of_a_personal_category(marked: Private) -> None:
    manifest = orjson.loads((marked.root / "build/model/manifest.json").read_bytes())
    features = {each["name"]: each for each in manifest["features"]}
    assert "values" not in features["dest"]
    assert "values" in features["origin"]
    assert not {"dest", "plane_seats"} & manifest["reference"].keys()


def test_a_slice_whose_labels_are_personal_values_is_refused(
    marked: Private, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(marked.root, tmp_path / "repository", symlinks=True))
    with (root / "src/model/slices.py").open("a") as file:
        file.write('\nSLICES["dest"] = lambda columns: columns["dest"]\n')
    assert "`dest`" in fails(Private(root, marked.remote, marked.batch), "slipway", "evaluate")


def _both(folder: Path, name: str) -> list[str]:
    return ["--html", str(folder / f"{name}.html"), "--json", str(folder / f"{name}.json")]


def _bad_rows(marked: Private, path: Path) -> Path:
    """Write rows with the values, each with a violation of a personal column, or across columns."""
    rows = pd.read_parquet(max((marked.root / "data").glob("*.parquet")))
    planted = rows[rows["flight_id"] == KEY]
    bad = pd.concat([planted] * 6, ignore_index=True).astype({"dest": object, "origin": object})
    bad["flight_id"] = [KEY, KEY, f"{KEY}-twice", *(f"{KEY[:-6]}{n}-JFK" for n in range(3))]
    bad.loc[3, "dest"] = f"{DESTINATION} and more"
    bad.loc[4, "plane_seats"] = float(f"9{SEATS}")
    bad.loc[5, ["dest", "origin"]] = ["JFK", "JFK"]
    bad.to_csv(path, index=False)
    return path
