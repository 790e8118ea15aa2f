"""A GitHub Release for a model in production: model card, verdict, manifest, SBOM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from slipway.card.content import Card
from slipway.documents.document import Table
from slipway.documents.markdown import to_markdown
from slipway.github.answers import Asset, Release
from slipway.github.api import Api
from slipway.manifest import MANIFEST_FILE, MODEL
from slipway.release.image.record import IMAGE, ImageRecord
from slipway.release.verified import VERIFIED, Verified, check_verified
from slipway.reports.model_card import as_file, as_json, document
from slipway.untrusted import quote, quote_text

# The assets by name; files that do not exist are left out (an unchanged model has no report).
FILES = {
    "manifest.json": MODEL / MANIFEST_FILE,
    "sbom.json": Path("build/sbom.json"),
    "report.json": Path("build/report.json"),
    "verified.json": VERIFIED,
    "image.json": IMAGE,
    "card.md": Path("build/card.md"),
    "card.json": Path("build/card.json"),
}

GUIDE = "how a model is released: docs/release.md"


def publish(api: Api, root: Path, day: str, server: str) -> str:
    """Write or update the Release of the image in build/image.json; return its address.

    Parameters
    ----------
    day
        Of the release, as YYYY-MM-DD.
    server
        Address of GitHub.

    Raises
    ------
    SlipwayError
        GitHub refuses, or the image is not the one that was verified (`Refused`).
    """
    image = ImageRecord.read(root)
    verified = check_verified(root, image)
    short = image.commit[:7]
    content = Card.read(root)
    (root / FILES["card.md"]).write_text(as_file(content, [GUIDE]), "utf-8")
    (root / FILES["card.json"]).write_bytes(as_json(content))
    body = {
        "target_commitish": image.commit,
        "name": f"{day} ({short})",
        "body": _text(content, image, verified, f"{server}/{api.repository}"),
    }
    known = _find(api, short)
    if known:
        made = api.patch(f"releases/{known.id}", body)
    else:
        made = api.post("releases", {"tag_name": f"release-{day}-{short}", **body})
    release = Release.of(made)
    _attach(api, root, release)
    return release.html_url


def _find(api: Api, short: str) -> Release | None:
    """Return the Release of a commit, if an earlier run has written it."""
    releases = map(Release.of, api.pages("releases"))
    return next((release for release in releases if release.is_of(short)), None)


def _attach(api: Api, root: Path, release: Release) -> None:
    assets = map(Asset.of, api.pages(f"releases/{release.id}/assets"))
    known = {asset.name: asset.id for asset in assets}
    address = release.upload_url.partition("{")[0]
    for name, path in FILES.items():
        if not (root / path).exists():
            continue
        if name in known:
            api.delete(f"releases/assets/{known[name]}")
        api.upload(f"{address}?name={name}", (root / path).read_bytes())


def _no_review(verified: Verified) -> str:
    by = verified.accepted
    return f"no: {quote(by)} has accepted this model by hand" if by else "no pull request"


def _recorded(verified: Verified) -> str:
    recorded = verified.recorded_sha256
    if recorded == verified.model_sha256:
        return "the same"
    return f"sha256 `{recorded}`, equivalent"


def _text(content: Card, image: ImageRecord, verified: Verified, home: str) -> str:
    review = verified.reviewed
    rows = [
        ["commit", f"[`{image.commit[:7]}`]({home}/commit/{image.commit})"],
        ["image", f"`{image.image}`"],
        ["reviewed", f"[#{review.number}]({review.url})" if review else _no_review(verified)],
        ["model released", f"sha256 `{verified.model_sha256}`, rebuilt from its inputs"],
        ["model in dvc.lock", _recorded(verified)],
        ["manifest", f"sha256 `{verified.manifest_sha256}`"],
        ["verdict", quote_text(verified.verdict)],
        ["dvc.lock", f"{verified.lock}: rebuilt from its inputs"],
    ]
    again = f"To return to this release: `slipway rollback --to {image.commit[:7]}`."
    about = document(content, [GUIDE])
    return to_markdown(replace(about, blocks=[Table(["", ""], rows), again, *about.blocks]))
