"""The model of a commit with all that it needs to score, as a pyfunc of MLflow, and its card."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from slipway.card.content import METRICS
from slipway.comparison.champion import has_model, tree_of
from slipway.documents.markdown import to_markdown
from slipway.errors import SlipwayError
from slipway.export.scorer import PARAMS
from slipway.manifest import MANIFEST_FILE, MODEL, Manifest, read_manifest
from slipway.predictions.answers import answers_of, is_same_answer
from slipway.release.build import REQUIREMENTS, locked_versions
from slipway.release.machine import DISTRIBUTION, unpack_machine
from slipway.reports.model_card import card
from slipway.repository.git import PREFIX
from slipway.repository.layout import MODEL_CODE
from slipway.repository.restore import restore
from slipway.tasks import task_of
from slipway.texts import read_text
from slipway.training.formats.registry import model_path

# What the code of the machine imports to score, further to the packages of the model's format.
SCORING = ("numpy", "orjson", "pydantic", "ruamel.yaml")

RELEASE, CODE, MACHINE = "release", "code", "machine.zip"
PYFUNC = Path(__file__).with_name("pyfunc.py")


@dataclass(frozen=True)
class Packed:
    """A model as a pyfunc, in `folder`; `files` has its card and the metrics of its commit."""

    sha256: str
    folder: Path
    files: Path


@contextmanager
def machine_archive(root: Path) -> Iterator[Path]:
    """Yield an archive of the package `slipway` that can be imported."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        unpack_machine(root, Path(name) / CODE)
        archive = shutil.make_archive(str(Path(name) / "machine"), "zip", Path(name) / CODE)
        yield Path(archive)


@contextmanager
def packed(root: Path, commit: str, model: str, machine: Path) -> Iterator[Packed]:
    """Yield the model that a commit locks, restored by hash, as a pyfunc.

    Parameters
    ----------
    model
        The first digits of the sha256 that it must have.

    Raises
    ------
    SlipwayError
        Its bytes are in no cache or remote, or are another model's, or the pyfunc answers the
        golden rows of the training otherwise than the model did.
    """
    with tree_of(root, commit) as tree, tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        if not has_model(tree):
            raise SlipwayError(f"commit {commit[:7]} has no model in its dvc.lock")
        restore(tree, MODEL, force=True)
        manifest = read_manifest(tree / MODEL)
        sha256 = str(manifest["model"]["sha256"])
        if not sha256.startswith(model):
            raise SlipwayError(
                f"commit {commit[:7]} locks the model {sha256[:12]}, not {model[:12]}"
            )
        folder, files = Path(name) / "model", Path(name) / "files"
        _copy(tree, Path(name) / RELEASE, machine)
        _save(folder, Path(name) / RELEASE, manifest, _requirements(tree, manifest))
        _check_answers(folder, manifest)
        files.mkdir()
        (files / "card.md").write_text(to_markdown(card(tree, [f"commit `{commit[:7]}`"])), "utf-8")
        shutil.copy(tree / METRICS, files)
        yield Packed(sha256, folder, files)


def _copy(tree: Path, release: Path, machine: Path) -> None:
    """Write what the service of a commit has: code of the model, the machine, model, settings."""
    leave = shutil.ignore_patterns("__pycache__", "slipway", "*.egg-info")
    shutil.copytree(tree / MODEL_CODE, release / CODE, ignore=leave)
    (release / MODEL).mkdir(parents=True)
    for path in (model_path(tree / MODEL), tree / MODEL / MANIFEST_FILE):
        shutil.copy(path, release / MODEL)
    shutil.copy(tree / PARAMS, release)
    shutil.copy(machine, release / MACHINE)


def _requirements(tree: Path, manifest: Manifest) -> list[str]:
    """Return the packages that scoring imports, in the versions that the commit locks."""
    own = tomllib.loads(read_text(tree / "pyproject.toml"))["project"].get("dependencies", [])
    names = [Requirement(text).name for text in own]
    named = [*SCORING, *(name for name in names if canonicalize_name(name) != DISTRIBUTION)]
    locked = locked_versions(read_text(tree / REQUIREMENTS))
    versions = {
        canonicalize_name(name): locked.get(canonicalize_name(name), set()) for name in named
    }
    needed = manifest["model"].get("packages", {})
    versions |= {canonicalize_name(name): {version} for name, version in needed.items()}
    return [
        f"{name}=={''.join(found)}" if len(found - {""}) == 1 else name
        for name, found in sorted(versions.items())
    ]


def _save(folder: Path, release: Path, manifest: Manifest, requirements: list[str]) -> None:
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    # Of any type: the schema of the model decides, as in the service.
    columns = [ColSpec(AnyType(), column["name"]) for column in manifest["inputs"]]
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(PYFUNC),
        artifacts={RELEASE: str(release)},
        pip_requirements=requirements,
        signature=ModelSignature(inputs=Schema(columns)),
        input_example=pd.DataFrame([manifest["golden"][0]["row"]]),
        metadata={"model_sha256": manifest["model"]["sha256"]},
    )


def _check_answers(folder: Path, manifest: Manifest) -> None:
    """Refuse a pyfunc that does not answer as the model did when it was trained."""
    import mlflow.pyfunc
    import pandas as pd

    form = answers_of(task_of(manifest), manifest)
    golden = manifest["golden"]
    found = mlflow.pyfunc.load_model(str(folder)).predict(
        pd.DataFrame([example["row"] for example in golden])
    )
    for example, answer in zip(golden, found.to_dict("records"), strict=True):
        expected = form.answer(example["probability"])
        if not is_same_answer({name: answer[name] for name in expected}, expected):
            raise SlipwayError("the pyfunc answers otherwise than the model did at its training")
