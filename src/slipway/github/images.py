"""One pull request that moves the pinned images to the newest digest of their tags."""

from __future__ import annotations

from pathlib import Path

from slipway.errors import SlipwayError
from slipway.github.api import Api
from slipway.github.branch import find_branch, open_pull, people_on, put_files
from slipway.image.digests import Renewal, renew
from slipway.settings import read_params
from slipway.texts import read_text

BRANCH = "slipway/images"

PARAMS = Path("params.yaml")

TITLE = "Renew the images that the service is built from"


def renew_images(api: Api, root: Path, commit: str, run_url: str) -> str:
    """Open or update the pull request if a tag has a newer digest; return what was done.

    Parameters
    ----------
    commit
        The commit of the default branch that is checked out in `root`.

    Raises
    ------
    SlipwayError
        A registry or GitHub does not answer, or a person works on the branch.
    """
    deploy = read_params(root / PARAMS).deploy
    old = read_text(root / PARAMS)
    new, renewals = renew(old, [deploy.base_image, deploy.proxy_image])
    if not renewals:
        return "every image is pinned to the newest digest of its tag"
    branch = find_branch(api, BRANCH)
    if people := people_on(api, branch, commit):
        raise SlipwayError(
            f"{', '.join(people)} committed to {BRANCH}, and nothing of that is to be lost",
            "merge or close its pull request and delete the branch; then start the run again",
        )
    put_files(api, branch, commit, {str(PARAMS): new.encode()}, f"{TITLE}\n\n{run_url}\n")
    return open_pull(api, branch, TITLE, _body(renewals, run_url))


def _body(renewals: list[Renewal], run_url: str) -> str:
    lines = ["The registry has a newer image under the same tag, usually with security fixes.", ""]
    lines += ["| image | pinned now | newest |", "|---|---|---|"]
    lines += [f"| `{one.image}` | `{one.old}` | `{one.new}` |" for one in renewals]
    lines += ["", f"Asked of the registries by [this run]({run_url}). Nothing merges this but you."]
    return "\n".join(lines)
