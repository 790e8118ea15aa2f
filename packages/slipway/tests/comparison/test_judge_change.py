"""`slipway judge` on a real repository: champion from git, challenger from the working tree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.comparison.conftest import Slipway, retrain
from tests.services.repository import commit, edit_params

from slipway.cli.compare import judge as command
from slipway.comparison import champion as champions
from slipway.comparison.baselines import incomparable
from slipway.comparison.report import Incomparable
from slipway.comparison.run import changed_code, judge_change
from slipway.dataset.tables import digest, read_columns, write_columns
from slipway.errors import SlipwayError
from slipway.manifest import MODEL, Manifest
from slipway.reports.check import check, read_report
from slipway.repository.git import resolve
from slipway.repository.restore import Missing, restore
from slipway.repository.worktrees import run

JUDGEMENTS = "reports/judgements"


def report_of(repository: Path) -> dict[str, Any]:
    report = read_report(repository / "build/report.json")
    assert check(report).as_json() == report
    return report


def test_a_champion_against_itself_is_not_worse_and_uses_nothing_up(
    repository: Path, slipway: Slipway
) -> None:
    done = slipway("judge", "--base", "main")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert done.stdout.startswith("✅ Not worse: ")
    report = report_of(repository)
    assert report["verdict"] == "not worse"
    assert report["champion"]["model"] == report["challenger"]["model"]
    assert report["champion"]["origin"] == "restored by hash"
    assert report["holdout"]["uses"] == 0
    for each in report["permutation_importance"]:
        assert each["low"] <= each["decrease"] <= each["high"]
        loss = {"value": each["decrease"], "low": each["low"], "high": each["high"]}
        assert each["champion"] == loss
    assert not (repository / JUDGEMENTS).exists()


def test_a_model_of_earlier_code_is_named(repository: Path, slipway: Slipway) -> None:
    code = repository / "src/model/features.py"
    other = "\n\ndef features(columns):\n    return {'one': np.ones(len(columns), 'float32')}\n"
    code.write_text(code.read_text("utf-8") + other, "utf-8")
    done = slipway("judge", "--base", "main")
    assert done.returncode == 2
    changed, refused = done.stderr.splitlines()[:2]
    assert "src/model/features.py" in changed
    assert "other features" in refused


def test_a_folder_of_code_that_a_stage_reads_is_not_taken_for_a_changed_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "src/own").mkdir(parents=True)
    module = tmp_path / "src/module.py"
    module.write_text("", "utf-8")
    deps = [
        {"path": "src/own", "md5": f"{'0' * 32}.dir"},
        {"path": "src/module.py", "md5": digest(module, "md5")},
    ]
    lock = {"schema": "2.0", "stages": {"train": {"cmd": "true", "deps": deps}}}
    (tmp_path / "dvc.lock").write_text(json.dumps(lock), "utf-8")

    assert changed_code(tmp_path) == []
    module.write_text("changed = True\n", "utf-8")
    assert changed_code(tmp_path) == ["src/module.py"]


def test_a_worse_change_is_stopped_by_the_rule_of_its_base_and_remembered(
    repository: Path, slipway: Slipway
) -> None:
    edit_params(repository, train={"iterations": 3}, judge={"alpha": 0.0001, "guards": []})
    retrain(repository)
    done = slipway("judge", "--base", "main", "--lock", "identical")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("⛔ Not merged: ")

    report = report_of(repository)
    assert report["rule"]["alpha"] == 0.025
    assert "judge.alpha" in report["changes"]["judging_rules"]
    assert {"name": "train.iterations", "champion": "120", "challenger": "3"} in (
        report["changes"]["params"]
    )
    assert report["holdout"]["uses"] == 1
    assert report["cost"]["model_mb"]["challenger"] < report["cost"]["model_mb"]["champion"]
    assert report["cost"]["row_ms"]["challenger"] > 0
    assert report["permutation_importance"][0]["decrease"] > 0
    assert len(list((repository / JUDGEMENTS).iterdir())) == len(report["periods"]) == 3

    rendered = slipway("report", "build/report.json", "--markdown", "a.md", "--html", "a.html")
    assert rendered.returncode == 0, rendered.stderr
    assert (repository / "a.md").read_text("utf-8").startswith("### ⛔ Not merged: ")
    assert run(["git", "worktree", "list"], repository).count("\n") == 1


def test_small_losses_are_measured_against_the_best_champion_not_the_last(
    repository: Path, slipway: Slipway
) -> None:
    first = run(["git", "rev-parse", "HEAD"], repository).strip()
    models = []
    for iterations in (114, 108):
        edit_params(repository, train={"iterations": iterations})
        retrain(repository)
        slipway("judge", "--base", "main")
        models.append(report_of(repository))
        commit(repository, f"{iterations} trees")
    assert models[0]["best_champion"]["model"] == models[0]["champion"]["model"]
    assert models[1]["champion"]["model"] == models[0]["challenger"]["model"]
    assert models[1]["best_champion"]["model"] == models[0]["champion"]["model"]
    assert models[1]["best_champion"]["commit"] == first
    assert models[1]["best_champion"]["unavailable"] == ""
    assert models[1]["holdout"]["uses"] == 2


def stored_models(repository: Path) -> list[Path]:
    """Return where the bytes of the model are: in the cache and in the committed remote."""
    content = (repository / "build/model/model.onnx").read_bytes()
    stored = [
        file
        for place in (".dvc/cache", "data-remote")
        for file in (repository / place).rglob("*")
        if file.is_file() and file.read_bytes() == content
    ]
    for file in stored:
        file.chmod(0o644)
    return stored


def test_a_champion_whose_stored_bytes_are_lost_is_rebuilt_to_the_same(repository: Path) -> None:
    content = (repository / "build/model/model.onnx").read_bytes()
    for stored in stored_models(repository):
        stored.unlink()
    commit(repository, "Lose the model")
    with champions.tree_of(repository, "HEAD") as tree:
        built = champions.build(repository, tree)
        assert built.origin == "rebuilt"
        assert (built.model / "model.onnx").read_bytes() == content


def test_stored_bytes_that_were_altered_count_as_lost(repository: Path) -> None:
    for stored in stored_models(repository):
        stored.write_bytes(stored.read_bytes()[:-1] + b"!")
    commit(repository, "Alter the model")
    with champions.tree_of(repository, "HEAD") as tree, pytest.raises(Missing):
        restore(tree, MODEL, force=True)


def test_a_column_that_the_champion_cannot_read_is_named(repository: Path, tmp_path: Path) -> None:
    rows = read_columns([repository / "data/2013-08.parquet"])
    without = {name: values for name, values in rows.items() if name != "visib"}
    write_columns(without, tmp_path / "rows.parquet")
    with champions.tree_of(repository, "HEAD") as tree:
        built = champions.build(repository, tree)
        scores, why = built.score(tmp_path / "rows.parquet", tmp_path / "out.parquet")
    assert scores is None
    assert "visib" in why
    assert "Traceback" not in why


def test_a_champion_that_learned_from_the_holdout_cannot_be_compared() -> None:
    def manifest(target: str, learned: list[str], held_out: list[str]) -> Manifest:
        return {
            "target": {"name": target},
            "train": {"months": learned},
            "holdout": {"months": held_out},
        }

    champion = manifest("late", ["2030-01", "2030-02"], ["2030-03"])
    assert incomparable(champion, manifest("late", ["2030-02"], ["2030-03"])) is None
    assert incomparable(champion, manifest("late", ["2030-03"], ["2030-04"])) is None
    learned = incomparable(champion, manifest("late", ["2030-01"], ["2030-02", "2030-03"]))
    assert learned == Incomparable(code="learned from the holdout", detail="2030-02")
    other = incomparable(champion, manifest("early", ["2030-02"], ["2030-03"]))
    assert other == Incomparable(code="another target", detail="late")


@pytest.mark.parametrize(
    ("learned", "held_out", "found"),
    [
        (["2030-01"], ["2030-W06"], None),
        (["2030-01", "2030-02"], ["2030-W06", "2030-W10"], "2030-W06"),
        (["2030-W05"], ["2030-02"], "2030-02"),
        (["2030-02-01", "2030-02-02"], ["2030-03"], None),
        (["learned"], ["2030-03"], "its holdout has other rows, and not by time"),
    ],
)
def test_a_champion_that_has_learned_a_day_of_the_holdout_is_not_compared(
    learned: list[str], held_out: list[str], found: str | None
) -> None:
    manifests: list[Manifest] = [
        {
            "target": {"name": "late"},
            "train": {"months": months},
            "holdout": {"months": held, "keys_sha256": keys},
        }
        for months, held, keys in ((learned, [], "a"), ([], held_out, "b"))
    ]
    champion, challenger = manifests
    reason = incomparable(champion, challenger)
    assert (reason and reason.detail) == found
    same: Manifest = {**challenger, "holdout": {**challenger["holdout"], "keys_sha256": "a"}}
    assert incomparable(champion, same) is None or learned != ["learned"]


def test_a_base_without_a_model_leaves_it_open(repository: Path, slipway: Slipway) -> None:
    (repository / "dvc.lock").rename(repository / "kept")
    commit(repository, "no lock")
    (repository / "kept").rename(repository / "dvc.lock")
    done = slipway("judge", "--base", "HEAD")
    assert done.returncode == 1, done.stderr
    assert report_of(repository)["incomparable"]["code"] == "no champion"


def test_a_model_of_other_parameters_than_the_tree_is_not_judged(
    repository: Path, slipway: Slipway
) -> None:
    edit_params(repository, train={"iterations": 3})
    done = slipway("judge", "--base", "main")
    assert done.returncode == 2
    assert "dvc repro" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_lock_status_that_does_not_exist_is_named(repository: Path, slipway: Slipway) -> None:
    done = slipway("judge", "--base", "main", "--lock", "fine")
    assert done.returncode == 2
    assert "identical" in done.stderr


@pytest.mark.parametrize("lock", ["fine", "identical"])
def test_a_judgement_that_fails_leaves_no_report_of_another_model(
    tmp_path: Path, lock: str
) -> None:
    out = tmp_path / "report.json"
    out.write_text("{}", "utf-8")
    with pytest.raises(SlipwayError):
        judge_change(tmp_path, "nowhere", out, lock)
    assert not out.exists()


def test_nor_does_one_that_cannot_read_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text("<<<<<<< ours\n", "utf-8")
    Path("report.json").write_text("{}", "utf-8")
    with pytest.raises(SlipwayError):
        command("main", Path("report.json"))
    assert not Path("report.json").exists()


@pytest.mark.parametrize("base", ["nowhere", "--help", "0" * 40])
def test_an_unknown_commit_is_named(repository: Path, slipway: Slipway, base: str) -> None:
    done = slipway("judge", f"--base={base}")
    assert done.returncode == 2
    assert base in done.stderr


def test_a_folder_outside_git_is_named(tmp_path: Path) -> None:
    with pytest.raises(SlipwayError, match=str(tmp_path)):
        resolve(tmp_path, "main")


def test_a_commit_that_locks_another_environment_gets_its_own(repository: Path) -> None:
    (repository / "requirements.lock").write_text("# nothing is needed\n", "utf-8")
    head = commit(repository, "another environment")
    # One that was copied with another checkout runs that one's Python: it is made anew.
    name = digest(repository / "requirements.lock")[:12]
    copied = repository.resolve() / champions.ENVIRONMENTS / name
    copied.mkdir(parents=True)
    (copied / "ready").write_text("/another/checkout cpython-311\n", "utf-8")
    shutil.copy(Path(__file__).parents[4] / "requirements.lock", repository / "requirements.lock")
    with champions.tree_of(repository, head) as tree:
        built = champions.build(repository, tree)
        assert built.python == str(copied / "bin/python")
        assert "/another/checkout" not in (copied / "ready").read_text("utf-8")
        assert built.origin == "restored by hash, in its own environment"
        # That environment has no numpy: its own code cannot run there, and the reason is reported.
        scores, why = built.score(Path("rows"), Path("out"))
        assert scores is None
        assert why


def test_a_file_that_is_no_record_stops_the_change_that_adds_it_and_none_after_it(
    repository: Path, slipway: Slipway
) -> None:
    folder = repository / JUDGEMENTS
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps({"model": "x"}), "utf-8")
    run(["git", "checkout", "-q", "-b", "change"], repository)
    commit(repository, "broken record")

    done = slipway("judge", "--base", "main")
    assert done.returncode == 1, done.stderr
    assert {"code": "record", "about": f"{JUDGEMENTS}/a.json"} in report_of(repository)["stops"]

    done = slipway("judge", "--base", "HEAD")
    assert done.returncode == 0, done.stderr
    (note,) = report_of(repository)["notes"]
    assert note == {"code": "unreadable records", "about": "1 file: a.json"}
    rendered = slipway("report", "build/report.json")
    assert "a.json" in rendered.stdout
