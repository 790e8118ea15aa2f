"""What the running version was asked last, asked of the candidate, before it gets any traffic."""

from __future__ import annotations

from slipway.deploy.engine import LOG
from slipway.deploy.outcome import Step
from slipway.deploy.slot import Unfit
from slipway.deploy.swap import Ask
from slipway.docker import Container
from slipway.errors import SlipwayError
from slipway.settings import Params

NOTHING_ASKED = "no prediction"
"""What `slipway.shadow` says of a log in which the running model has answered nobody yet."""


def shadow_of(live: str, params: Params) -> Ask:
    """Return the question, given the sha256 of the model that runs."""

    def ask(container: Container, step: Step) -> str:
        from slipway.shadow.render import to_markdown
        from slipway.shadow.run import shadow_container

        try:
            report = shadow_container(container, params, LOG, live)
        except SlipwayError as error:
            if NOTHING_ASKED not in str(error):
                raise
            step.words = "the running version was asked nothing yet"
            return ""
        if report.status == "no":
            raise Unfit("; ".join(report.reasons), details=to_markdown(report))
        step.words = report.words
        return to_markdown(report)

    return ask
