"""`slipway deploy`: the image that was built, live, without a dropped request, or not at all."""

from __future__ import annotations

import functools
import os
from importlib import import_module

from slipway.deploy.engine import Engine, check, check_room, engine_of, ensure_proxy, pull
from slipway.deploy.outcome import Outcome, Say, Steps
from slipway.deploy.recover import in_order
from slipway.deploy.release import Record, record_of, write_releases
from slipway.deploy.reviewed import check_reviewed, expected_of, find_image
from slipway.deploy.shadow import shadow_of
from slipway.deploy.site import Site
from slipway.deploy.slot import tokens_for, tokens_of
from slipway.deploy.swap import Plan, release
from slipway.deploy.tell import told
from slipway.errors import YES
from slipway.github.runner import in_actions
from slipway.prove import prove
from slipway.score import MODEL, read_manifest
from slipway.serve import TOKENS
from slipway.settings import Params, read_params


def deploy(to: str, image: str, say: Say) -> Outcome:
    """Deploy build/image.json, or another image by digest; the outcome says what came of it.

    Parameters
    ----------
    to
        ``local``, ``host`` or ``kubernetes``; `deploy.target` of params.yaml if empty.
    image
        Digest of an image; that of build/image.json if empty.
    """
    params = read_params()
    settings = params.deploy
    target = to or settings.target
    steps = Steps(say)
    if target == "kubernetes":
        kubernetes = import_module("slipway.deploy.kubernetes")
        return told(steps, lambda: kubernetes.deploy(find_image(image), settings, steps, say))
    return told(steps, lambda: _on_engine(engine_of(target, settings), image, params, steps, say))


def _on_engine(engine: Engine, given: str, params: Params, steps: Steps, say: Say) -> Outcome:
    with steps.step("engine") as step:
        step.words = check(engine)
        image = find_image(given)
        ensure_proxy(engine, say)
    record = record_of(image, engine.target)
    work = functools.partial(_swap, record=record, params=params)
    return in_order(engine, f"deploy {record.name}", steps, say, work)


def _swap(site: Site, record: Record, params: Params) -> Outcome:
    live = site.state.live
    current = tokens_of(site.engine.slot(live.slot)) if live else ""
    tokens = tokens_for(current)
    if live and live.record.image == record.image and tokens == current:
        write_releases(site.history())
        return Outcome(YES, f"{record.words()} runs already, since {live.record.at[:16]} UTC.")
    with site.step("image") as step:
        check_room(site.guard.room_mb())
        step.words = pull(record.image)
        check_reviewed(site, record)
    golden = read_manifest(MODEL)["golden"]
    expected = expected_of(record, golden)
    plan = Plan(
        what="deploy",
        record=record,
        slot=site.state.free_slot(),
        tokens=tokens,
        prove=lambda container: prove(container, expected, params.deploy, _silent),
        shadow=shadow_of(live.record.model_sha256, params) if live else None,
    )
    details = release(site, plan)
    write_releases(site.history())
    if not current:
        details += _about_token(tokens, site.say)
    words = f"{record.words()} is live on {site.engine.place}, port {site.engine.port}."
    return Outcome(YES, words, site.steps.done, details=details)


def _about_token(tokens: str, say: Say) -> list[str]:
    """Show a token that was just made, once, and never in the log of a workflow."""
    if os.environ.get(TOKENS, "").strip():
        return []
    if in_actions():
        return [f"A token was made that this log must not show: set the secret `{TOKENS}`."]
    say(f"callers send this token, which is shown only now: {tokens}")
    return []


def _silent(_words: str) -> None:
    """The proof says its sentences in the outcome."""
