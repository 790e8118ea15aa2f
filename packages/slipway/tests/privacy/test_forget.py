"""Forgetting a subject leaves no trace in data, log, labels, DVC's objects and the new model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.privacy.conftest import KEY, Private, move_remote
from tests.services.repository import commit
from zc.lockfile import LockFile  # type: ignore[import-untyped]

from slipway.audit.verify import verify_log
from slipway.comparison.champion import Erased, build, tree_of
from slipway.dataset.csv_format import FOUND
from slipway.errors import INCONCLUSIVE, SlipwayError
from slipway.predictions.labels.store import erase_labels, history, import_labels
from slipway.predictions.personal import SECRET, Hasher
from slipway.privacy.contents import Search
from slipway.privacy.objects import find_objects, require_remote_outside
from slipway.privacy.rows import find_rows, remove_rows
from slipway.privacy.subject import Subject, named_column
from slipway.repository.erasures import read_erasures

ENVIRONMENT = {SECRET: "a secret of the tests"}


@pytest.fixture
def private(marked: Private, tmp_path: Path) -> Private:
    """A copy with a log of the holdout and a label of the subject."""
    remote = Path(shutil.copytree(marked.remote, tmp_path / "remote"))
    root = Path(shutil.copytree(marked.root, tmp_path / "repository", symlinks=True))
    copy = Private(root, remote, tmp_path / "batch")
    shutil.copytree(marked.log, copy.log)
    move_remote(root, remote)
    commit(root, "Move the remote")
    labels = tmp_path / "labels.csv"
    labels.write_text(f"flight_id,late\n{KEY},1\n20130901-UA1-EWR,0\n")
    copy.run("slipway", "labels", "import", str(labels), "--log", str(copy.log))
    labels.unlink()
    return copy


def texts_of(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file and, of parquet, its decoded values."""
    content = path.read_bytes()
    yield content
    if content[:4] == b"PAR1":
        try:
            table = pq.ParquetFile(pa.BufferReader(content)).read()
            yield str([column.to_pylist() for column in table.columns]).encode()
        except (pa.ArrowException, OSError, ValueError):  # a damaged file of a test
            return


def traces(*folders: Path) -> list[str]:
    """Return the files that have the key, or its hash, outside git's history."""
    words = [KEY.encode(), Hasher(ENVIRONMENT).text(KEY).encode()]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [
        str(path)
        for path in paths
        if ".git" not in path.parts
        and any(word in text for text in texts_of(path) for word in words)
    ]


def test_nothing_of_the_subject_is_left_and_the_log_is_verified(private: Private) -> None:
    """Also after a run that was interrupted: DVC is in use before the old objects are removed."""
    log = private.log
    command = ["slipway", "forget", KEY, "--log", str(log)]
    before = contents(private, log)
    assert len(traces(private.root, private.remote, log)) >= 5
    planned = private.run(*command, "--dry-run")
    assert contents(private, log) == before
    assert [line for line in planned.splitlines() if line.startswith(("data:", "labels:"))] == [
        "data: 1 row of data/2013-09.parquet",
        "labels: 1 label",
    ]

    lock = LockFile(str(private.root / ".dvc/tmp/lock"))
    with pytest.raises(SlipwayError):
        private.run(*command)
    lock.close()
    (begun,) = read_erasures(private.root / LIST)
    assert not begun.done
    assert traces(private.remote)
    private.run(*command)
    private.run("dvc", "repro", "-q", "train")
    private.run("slipway", "build")

    assert traces(private.root, private.remote, log) == []
    found = verify_log(str(log), "", private.root / "reports/sealed.jsonl", private.root / LIST)
    assert (found.exit_code, found.erased) == (0, 1)
    (erasure,) = read_erasures(private.root / LIST)
    assert (erasure.done, erasure.rows, erasure.labels) == (True, 1, 1)
    assert erasure.lines == begun.lines
    assert KEY not in (private.root / LIST).read_text()
    _check_that_the_old_model_is_explained(private, erasure.revisions)


def contents(private: Private, log: Path) -> dict[str, bytes]:
    """Return the files that may be written: data, log, labels, objects and reports."""
    folders = [private.root / name for name in ("data", "labels", "reports", ".dvc/cache", "build")]
    paths = [path for folder in (*folders, private.remote, log) for path in folder.rglob("*")]
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


LIST = Path("reports/erasures.jsonl")


def _check_that_the_old_model_is_explained(private: Private, revisions: list[str]) -> None:
    """The base commit names data that was removed; here its model is removed too."""
    assert revisions
    base = private.run("git", "rev-parse", "HEAD").strip()
    for store in (private.remote, private.root / ".dvc/cache"):
        shutil.rmtree(store / "files")
    with tree_of(private.root, base) as tree, pytest.raises(Erased):
        build(private.root, tree)


def test_a_remote_inside_the_repository_is_refused(small_repository: Path) -> None:
    with pytest.raises(SlipwayError, match="git's history") as refused:
        require_remote_outside(small_repository)
    assert refused.value.exit_code == INCONCLUSIVE


def test_a_repository_that_is_refused_is_not_an_erasure_that_left_something(
    small_repository: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(small_repository, tmp_path / "copy", symlinks=True))
    (root / "data.dvc").rename(root / "other.dvc")
    (root / "data.dvc").symlink_to("other.dvc")
    search = Search(Subject("flight_id", KEY, Hasher(ENVIRONMENT)))
    with pytest.raises(SlipwayError, match="symbolic link") as refused:
        find_objects(root, search)
    assert refused.value.exit_code == INCONCLUSIVE


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setenv(SECRET, ENVIRONMENT[SECRET])
    return Subject("flight_id", KEY, Hasher())


def test_a_subject_is_named_by_the_key_or_by_a_column_of_the_schema() -> None:
    assert (named_column(""), named_column("carrier")) == ("flight_id", "carrier")
    with pytest.raises(SlipwayError):
        named_column("passenger")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_csv_file_keeps_each_other_byte(tmp_path: Path, subject: Subject, newline: str) -> None:
    path = tmp_path / "rows.csv"
    kept = ["flight_id;note", "", 'a;"two', 'lines"', "b;Zürich", "last;x"]
    lines = [*kept[:4], f'{KEY};"also', 'two"', *kept[4:]]
    path.write_bytes(newline.join(lines).encode("windows-1252"))

    (found,) = find_rows([path], subject, FOUND)
    remove_rows(found)

    assert found.count == 1
    assert path.read_bytes() == newline.join(kept).encode("windows-1252")
    assert find_rows([path], subject, FOUND) == []


def test_a_parquet_file_keeps_schema_and_codec_and_no_value_in_a_dictionary(
    tmp_path: Path, subject: Subject
) -> None:
    path = tmp_path / "rows.parquet"
    keys = pa.array(["a", KEY, "b", KEY]).dictionary_encode()
    table = pa.table({"flight_id": keys, "carrier": [KEY[:2], "UA", "UA", "AA"]})
    pq.write_table(table, path, compression="gzip", row_group_size=2)

    (found,) = find_rows([path], subject, FOUND)
    remove_rows(found)

    again = pq.ParquetFile(path)
    assert again.schema_arrow == table.schema
    assert again.metadata.row_group(0).column(0).compression == "GZIP"
    assert again.read().to_pydict() == {"flight_id": ["a", "b"], "carrier": [KEY[:2], "UA"]}
    assert traces(tmp_path) == []


def test_a_file_of_the_subject_alone_is_removed(tmp_path: Path, subject: Subject) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"flight_id,dest\n{KEY},ABC\n")
    (found,) = find_rows([path], subject, FOUND)
    remove_rows(found)
    assert not path.exists()


def test_labels_are_removed_with_their_history_and_do_not_come_back(tmp_path: Path) -> None:
    file, place = tmp_path / "labels.csv", tmp_path / "labels"
    key = KEY.replace("QX", "UA")
    for label in (0, 1):
        file.write_text(f"flight_id,late\n{key},{label}\n20130901-UA1-EWR,0\n")
        import_labels([file], place)
    kept = history(place)

    assert erase_labels(place, key.__eq__, dry_run=True) == 2
    assert len(history(place)) == len(kept)
    assert erase_labels(place, key.__eq__, dry_run=False) == 2
    (imported,), _ = import_labels([file], place)

    assert imported.before is not None
    assert history(place)["key"].tolist() == ["20130901-UA1-EWR"]
    assert isinstance(kept, pd.DataFrame)
