"""The manifests: the user's overlay, with the image by digest and the record of the release."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.release.records import Record
from slipway.settings import Deploy
from slipway.targets.kubernetes.kubectl import Manifest, kubectl
from slipway.texts import parse_yaml_documents, read_text, read_yaml

OVERLAY = "SLIPWAY_OVERLAY"  # in the environment, overrides deploy.overlay of params.yaml
WRITTEN = Path("build/kubernetes")

# Files that kustomize reads as text.
TEXTS = {".yaml", ".yml", ".json", ".env", ".properties"}
NAME = "slipway"
RELEASE = "slipway/release"  # the record, on the pod template: it comes back with a rollback
CAUSE = "kubernetes.io/change-cause"  # shown by `kubectl rollout history`


@dataclass(frozen=True)
class Rendered:
    """The manifests of an overlay, with its one Deployment."""

    manifests: list[Manifest]
    deployment: Manifest

    @property
    def namespace(self) -> str:
        return str(self.deployment["metadata"]["namespace"])

    @property
    def template(self) -> Manifest:
        return dict(self.deployment["spec"]["template"])


def folder_of(settings: Deploy, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the user's overlay."""
    folder = Path(environment.get(OVERLAY) or settings.overlay)
    if not (folder / "kustomization.yaml").is_file():
        raise SlipwayError(
            f"{folder}: no kustomization.yaml",
            f"name an overlay in deploy.overlay of params.yaml, or in {OVERLAY}",
        )
    return folder


def write(record: Record, overlay: Path) -> Path:
    """Write the overlay of one release, on top of the user's; return its folder."""
    name, _, digest = record.image.rpartition("@")
    if not name:
        raise SlipwayError(
            f"the image {record.image[:19]}… is in no registry that a cluster could pull it from",
            "set deploy.registry in params.yaml, then `slipway build --image --push`",
        )
    cause = f"{record.event} {record.name} by {record.by}"
    annotations = {RELEASE: json.dumps(record.to_json(), ensure_ascii=False, sort_keys=True)}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "annotations": {CAUSE: cause}},
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


def render(folder: Path) -> Rendered:
    """Return the manifests of a folder of kustomize; does not access the cluster."""
    _check_text(folder, set())
    output = kubectl("kustomize", str(folder))
    manifests = [one for one in parse_yaml_documents(output, f"the output of {folder}") if one]
    deployments = [one for one in manifests if one["kind"] == "Deployment"]
    if [one["metadata"]["name"] for one in deployments] != [NAME]:
        raise SlipwayError(
            f"{folder}: not exactly one Deployment, called {NAME}",
            "compare with deploy/kubernetes/overlays/production",
        )
    if not deployments[0]["metadata"].get("namespace"):
        raise SlipwayError(
            f"{folder}: no namespace",
            "add `namespace: …` to its kustomization.yaml; two services must not share `default`",
        )
    return Rendered(manifests, deployments[0])


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
