"""Open the pull request that updates pinned images to the newest digests of their tags."""

from __future__ import annotations

from pathlib import Path

from slipway.documents.document import Table
from slipway.documents.markdown import blocks_to_markdown
from slipway.errors import SlipwayError
from slipway.github.api import Api
from slipway.github.branch import find_branch, open_pull, people_on, put_files
from slipway.release.image.digests import Renewal, renew
from slipway.settings import read_params
from slipway.texts import read_text

BRANCH = "slipway/images"

PARAMS = Path("params.yaml")

TITLE = "Update the images that the service is built from"


def update_images(api: Api, root: Path, commit: str, run_url: str) -> str:
    """Open or update the pull request if a tag has a newer digest; return a message.

    Parameters
    ----------
    commit
        The commit of the default branch that is checked out in `root`.

    Raises
    ------
    SlipwayError
        A registry or GitHub cannot be reached, or a person has committed to the branch.
    """
    deploy = read_params(root / PARAMS).deploy
    old = read_text(root / PARAMS)
    new, renewals = renew(old, [deploy.base_image, deploy.proxy_image])
    if not renewals:
        return "every image has the newest digest of its tag"
    branch = find_branch(api, BRANCH)
    if people := people_on(api, branch, commit):
        raise SlipwayError(
            f"{', '.join(people)} committed to {BRANCH}, which would be overwritten",
            "merge or close its pull request and delete the branch, then start the run again",
        )
    put_files(api, branch, commit, {str(PARAMS): new.encode()}, f"{TITLE}\n\n{run_url}\n")
    return open_pull(api, branch, TITLE, _body(renewals, run_url))


def _body(renewals: list[Renewal], run_url: str) -> str:
    rows = [[f"`{one.image}`", f"`{one.old}`", f"`{one.new}`"] for one in renewals]
    return blocks_to_markdown(
        [
            "The registry has a newer image under the same tag, usually with security fixes.",
            Table(["image", "pinned now", "newest"], rows),
            f"Found by [this run]({run_url}). It is never merged automatically.",
        ]
    )
