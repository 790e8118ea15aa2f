"""What a change changes is found, named, and measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.services.repository import edit_params

from slipway.comparison.changes import changes, data_changes, distance
from slipway.comparison.report import Change
from slipway.manifest import read_manifest
from slipway.reference.profile import profile
from slipway.repository.worktrees import run

RANDOM = np.random.default_rng(4)
NORMAL = RANDOM.standard_normal(20_000).astype("float32")


def texts(*shares: float) -> np.ndarray:
    return np.repeat([f"v{n}" for n in range(len(shares))], [int(s * 1000) for s in shares]).astype(
        object
    )


def test_parameters_dependencies_and_files_that_differ_are_named(repository: Path) -> None:
    edit_params(repository, train={"iterations": 61, "depth": 3}, judge={"budget": 9})
    lock = repository / "requirements.lock"
    lock.write_text(lock.read_text("utf-8").replace("scikit-learn==", "scikit-learn==9."), "utf-8")
    (repository / "src/model/slices.py").unlink()
    (repository / "notes.md").write_text("new", "utf-8")
    found = changes(repository, "main")
    assert [row.name for row in found.params] == [
        "judge.budget",
        "train.depth",
        "train.iterations",
    ]
    assert found.params[1] == Change(name="train.depth", champion="", challenger="3")
    assert [row.name for row in found.dependencies] == ["scikit-learn"]
    assert found.files == ["notes.md", "src/model/slices.py"]
    assert found.judging_rules == ["src/model/slices.py", "judge.budget"]


def test_a_tree_as_its_commit_has_no_changes(repository: Path) -> None:
    assert not any(changes(repository, "main").model_dump().values())


def test_what_is_protected_is_named_whole_and_the_gravest_first(repository: Path) -> None:
    lock = repository / "requirements.lock"
    text = lock.read_text("utf-8").replace("--hash=sha256:", "--hash=sha256:0", 1)
    lock.write_text(f"--extra-index-url https://evil.example\n{text}", "utf-8")
    place = f"data-remote/files/md5/ab/{'0' * 30}"
    edited = (
        "packages/slipway/src/slipway/comparison/verdict.py",
        "packages/slipway/src/slipway/verify.py",
        "tests/conftest.py",
        place,
    )
    for path in (*edited, *(f"docs/{number}.md" for number in range(30))):
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        with (repository / path).open("a", encoding="utf-8") as file:
            file.write("# edited\n")
    (repository / "docs/link").symlink_to("/etc/passwd")

    found = changes(repository, "main")

    assert found.protected == [
        "packages/slipway/src/slipway/comparison/verdict.py",
        "packages/slipway/src/slipway/verify.py",
        "docs/link",
        f"{place} (added)",
        "requirements.lock",
        "tests/conftest.py",
    ]
    index, changed = found.dependencies
    assert index.name == "--extra-index-url https://evil.example"
    assert changed.challenger.endswith("same version, other hashes")


def test_data_that_differ_are_described_by_month_file_column_and_rate(repository: Path) -> None:
    before = read_manifest(repository / "build/model")
    after = read_manifest(repository / "build/model")
    after["data"] = {"md5": "0" * 32 + ".dir", "months": [*before["data"]["months"][1:], "2013-10"]}
    after["train"] |= {"rows": 100, "positives": 50}
    del after["reference"]["visib"]
    after["reference"]["colour"] = profile(texts(1.0))
    after["reference"]["carrier"] = profile(texts(0.5, 0.5))
    after["reference"]["temp"]["missing"] = after["reference"]["temp"]["rows"] // 2
    (repository / "data/2013-01.parquet").unlink()
    (repository / "data/2013-10.parquet").write_bytes(b"new")
    run(["dvc", "add", "-q", "data"], repository)

    found = data_changes(repository, "main", before, after)
    assert found.files.added == ["data/2013-10.parquet"]
    assert found.files.deleted == ["data/2013-01.parquet"]
    assert found.files.modified == []
    assert (found.columns.added, found.columns.removed) == (["colour"], ["visib"])
    assert [row.column for row in found.missing] == ["temp"]
    assert [row.column for row in found.shifted] == ["carrier"]
    assert found.label_rate
    assert found.label_rate.train.challenger == 0.5


def test_the_same_data_differ_in_nothing(repository: Path) -> None:
    manifest = read_manifest(repository / "build/model")
    found = data_changes(repository, "main", manifest, manifest)
    assert not any(found.files.model_dump().values())
    assert not found.shifted
    assert not found.missing


@pytest.mark.parametrize(
    ("old", "new", "expected", "within"),
    [
        (NORMAL, NORMAL, 0.0, 0.0),
        (NORMAL, RANDOM.standard_normal(20_000), 0.0, 0.02),
        (NORMAL, NORMAL + 1, 0.383, 0.03),  # 2 Phi(1/2) - 1
        (NORMAL, NORMAL + 100, 1.0, 0.06),
        (texts(0.5, 0.5), texts(0.5, 0.5), 0.0, 0.0),
        (texts(0.5, 0.5), texts(0.3, 0.7), 0.2, 1e-9),
        (texts(1.0), texts(0.0, 1.0), 1.0, 0.0),
        (texts(1.0), NORMAL, 1.0, 0.0),
        (NORMAL, np.full(10, np.nan), 1.0, 0.0),
    ],
)
def test_distance_is_none_for_the_same_and_one_for_nothing_in_common(
    old: np.ndarray, new: np.ndarray, expected: float, within: float
) -> None:
    assert distance(profile(old), profile(new)) == pytest.approx(expected, abs=within)
