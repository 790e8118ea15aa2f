"""What the cluster gets: the user's overlay, with the image by digest and who released it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway.deploy.kubectl import kubectl
from slipway.deploy.release import Record
from slipway.errors import SlipwayError
from slipway.settings import Deploy
from slipway.texts import parse_yaml_documents, read_text, read_yaml

OVERLAY = "SLIPWAY_OVERLAY"  # in the environment, overrides deploy.overlay of params.yaml
WRITTEN = Path("build/kubernetes")

# Files that kustomize reads as text.
TEXTS = {".yaml", ".yml", ".json", ".env", ".properties"}
NAME = "slipway"
RELEASE = "slipway/release"  # the record, on the pod template: it comes back with a rollback
CAUSE = "kubernetes.io/change-cause"  # what `kubectl rollout history` shows

Manifest = dict[str, Any]


def folder_of(settings: Deploy, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the user's overlay.

    Raises
    ------
    SlipwayError
        There is none.
    """
    folder = Path(environment.get(OVERLAY) or settings.overlay)
    if not (folder / "kustomization.yaml").is_file():
        raise SlipwayError(
            f"{folder}: no kustomization.yaml there",
            f"name an overlay in deploy.overlay of params.yaml, or in {OVERLAY}",
        )
    return folder


def write(record: Record, overlay: Path) -> Path:
    """Write the overlay of one release over the user's; return its folder.

    Raises
    ------
    SlipwayError
        The image is not in a registry.
    """
    name, _, digest = record.image.rpartition("@")
    if not name:
        raise SlipwayError(
            f"the image {record.image[:19]}… is in no registry, where a cluster could get it",
            "set deploy.registry in params.yaml, then `slipway build --image --push`",
        )
    words = f"{record.event} {record.name} by {record.by}"
    annotations = {RELEASE: json.dumps(record.to_json(), ensure_ascii=False, sort_keys=True)}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "annotations": {CAUSE: words}},
        "spec": {"template": {"metadata": {"annotations": annotations}}},
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(overlay, WRITTEN)],
        "images": [{"name": NAME, "newName": name, "digest": digest}],
        "patches": [{"patch": json.dumps(patch)}],
    }
    WRITTEN.mkdir(parents=True, exist_ok=True)
    path = WRITTEN / "kustomization.yaml"
    path.write_text(json.dumps(kustomization, indent=1), "utf-8")  # JSON is YAML to kubectl
    return WRITTEN


def render(folder: Path) -> list[Manifest]:
    """Return the manifests that a folder of kustomize makes; asks no cluster.

    Raises
    ------
    SlipwayError
        It makes none, or not exactly one deployment, with a namespace and the service's name; or
        a file of it is not UTF-8, which kubectl would replace without a word.
    """
    _check_text(folder, set())
    made = kubectl("kustomize", str(folder))
    found = [one for one in parse_yaml_documents(made, f"what {folder} makes") if one]
    deployments = [one for one in found if one["kind"] == "Deployment"]
    if [one["metadata"]["name"] for one in deployments] != [NAME]:
        raise SlipwayError(
            f"{folder}: not exactly one Deployment, called {NAME}",
            "compare with deploy/kubernetes/overlays/production",
        )
    if not deployments[0]["metadata"].get("namespace"):
        raise SlipwayError(
            f"{folder}: no namespace",
            "add `namespace: …` to its kustomization.yaml; two releases must not meet in `default`",
        )
    return found


def _check_text(folder: Path, checked: set[Path]) -> None:
    """Refuse files that are not UTF-8, in a folder of kustomize and those that it builds on."""
    if folder.resolve() in checked:
        return
    checked.add(folder.resolve())
    for path in sorted(folder.iterdir()):
        if path.suffix in TEXTS or path.name in TEXTS:
            read_text(path)
    kustomization = folder / "kustomization.yaml"
    settings = read_yaml(kustomization) if kustomization.is_file() else None
    if not isinstance(settings, dict):
        return
    for key in ("resources", "components"):
        for name in settings.get(key) or ():
            if (folder / str(name)).is_dir():
                _check_text(folder / str(name), checked)


def deployment_of(manifests: list[Manifest]) -> Manifest:
    (found,) = (one for one in manifests if one["kind"] == "Deployment")
    return found
