"""GitHub's own record of what runs where, kept true.

A job with an environment leaves a Deployment, of the commit that its workflow was started on. For
a rollback, or a release of an earlier commit, that is not what runs there afterwards.
"""

from __future__ import annotations

import os
from pathlib import Path

from slipway.catalogue.releases import RELEASES
from slipway.github.answers import Deployment
from slipway.github.api import Api
from slipway.release.records import read_records

LONGEST = 140  # characters, of a description


def record_deployment(api: Api, root: Path, environment: str, sha: str, url: str) -> str:
    """Add a Deployment of what runs now, if the job's own names another commit; return words.

    Parameters
    ----------
    sha
        The commit that the workflow was started on.
    url
        Of the service there; may be empty.
    """
    if not (root / RELEASES).exists():
        return f"{environment}: nothing has changed there"
    history = read_records(root / RELEASES, "slipway deploy")
    if not history:
        return f"{environment}: nothing has changed there"
    now = history[-1]
    back = now.event == "rolled back"
    if now.commit == sha and not back:
        return f"{environment}: {now.name}, as in the Deployment of this job"
    left = next((one for one in reversed(history[:-1]) if one.commit != now.commit), None)
    if back and left:
        _set_inactive(api, environment, left.commit, f"Rolled back to {now.name}")
    answer = api.post(
        "deployments",
        {
            "ref": now.commit,
            "environment": environment,
            "task": "rollback" if back else "deploy",
            "auto_merge": False,
            "required_contexts": [],  # the commit was checked when it was merged
            "production_environment": environment == "production",
            "description": f"{now.event.capitalize()}: {now.name} by {now.by}"[:LONGEST],
            "payload": {
                "image": now.image,
                "model_sha256": now.model_sha256,
                "manifest_sha256": now.manifest_sha256,
            },
        },
    )
    _set_status(api, Deployment.of(answer).id, "success", now.reason or now.verdict, url)
    return f"{environment}: {now.name}, {now.event}"


def _set_inactive(api: Api, environment: str, commit: str, words: str) -> None:
    listed = api.get("deployments", environment=environment, sha=commit, per_page=100)
    for entry in Deployment.each(listed):
        if entry.sha == commit:
            _set_status(api, entry.id, "inactive", words, "")


def _set_status(api: Api, deployment: int, state: str, words: str, url: str) -> None:
    run = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{api.repository}"
    body = {
        "state": state,
        "description": words[:LONGEST],
        "environment_url": url,
        "log_url": f"{run}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}",
        "auto_inactive": True,
    }
    api.post(f"deployments/{deployment}/statuses", {k: v for k, v in body.items() if v != ""})
