"""The interface of a deployment target: what the commands need of it.

A target is one module in `slipway.targets` and one entry in its registry.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from slipway.release.outcome import Outcome, Steps
    from slipway.release.records import Record
    from slipway.release.status import Status
    from slipway.shadow.compare import Report


class Target(Protocol):
    """A place that releases are deployed to.

    The methods raise `SlipwayError` where the target cannot be reached; then nothing has changed.
    """

    @property
    def needs_access(self) -> bool:
        """Whether a status takes rights that a developer's machine may lack."""

    def deploy(self, image: str, steps: Steps) -> Outcome:
        """Put an image live, or leave everything as it was.

        Parameters
        ----------
        image
            By digest; that of build/image.json if empty.
        """

    def rollback(self, to: str, steps: Steps) -> Outcome:
        """Put an earlier release live again; the one before if `to` is empty."""

    def stop(self, steps: Steps, *, forget: bool) -> Outcome:
        """Remove the service; with `forget` also its prediction log and history."""

    def status(self) -> Status:
        """Return what runs there."""

    def history(self) -> list[Record]:
        """Return the events of all releases, oldest first."""

    def exec_command(self) -> list[str]:
        """Return the command that runs a program in the live release."""

    def shadow(self) -> ShadowService:
        """Return the model in shadow mode there."""


class ShadowService(Protocol):
    """A second model that scores the prediction log of a target."""

    def start(self, candidate: str, since: str = "") -> str:
        """Start an image in shadow mode, in place of any other; return what runs.

        Parameters
        ----------
        candidate
            An image by digest, or the file that names one.
        since
            First day to score, as ``YYYY-MM-DD``; the whole log if empty.
        """

    def stop(self) -> str:
        """Stop it; its predictions are kept."""

    def report(self, live: str = "", labels: Path | None = None) -> Report:
        """Compare its predictions with those of the live model.

        Parameters
        ----------
        live
            sha256 of the live model; that of the newest prediction if empty.
        """
