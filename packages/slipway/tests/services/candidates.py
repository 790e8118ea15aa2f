"""Candidates that pass their smoke test and then do something else with what callers ask.

Each is the text that is added to the end of `slipway/serving/api.py` in an image.
"""

from __future__ import annotations

API = "slipway/serving/api.py"

# `{fault}` is run for each prediction that is no smoke test, before the sound service answers it;
# `{score}` is what becomes of its probability `p`.
SPOILED = """

import asyncio, itertools, os, time
from contextvars import ContextVar
from slipway.serving.predict import Predictor

_sound_predict, _sound_answers = Api._predict, Predictor._answers
_traffic = ContextVar("traffic", default=False)
_asked = itertools.count(1)
_hoard = []


async def _spoiled(self, scope, receive):
    if b"x-slipway-smoke-test" not in dict(scope["headers"]):
        _traffic.set(True)
        asked = next(_asked)
        {fault}
    return await _sound_predict(self, scope, receive)


def _answers(self, rows, scores, now):
    if _traffic.get():
        scores[:] = [{score} for p in scores]  # counted, too
    return _sound_answers(self, rows, scores, now)


Api._predict, Predictor._answers = _spoiled, _answers
"""

_FAULTS = {
    "hangs": "await asyncio.sleep(3600)",
    "freezes": "time.sleep(3600 if asked > 20 else 0)",
    "stalls": "time.sleep(5 if asked % 50 == 0 else 0.5)",
    "refuses": "raise Refusal(422, 'bad_rows', 'not today')",
    "fails": "raise RuntimeError('a fault that only traffic finds')",
    "crashes": "asked == 30 and (os.kill(1, 9), os._exit(9))",
    "leaks": "_hoard.append(b'x' * (24 << 20))",
}

_SCORES = {"answers reversed": "1 - p", "answers a constant": "0.5"}

BAD = {name: SPOILED.format(fault=fault, score="p") for name, fault in _FAULTS.items()} | {
    name: SPOILED.format(fault="pass", score=score) for name, score in _SCORES.items()
}
"""By what the candidate does; none of them may go live."""

SOUND = {
    "sound": "",
    "sound, 5 ms slower": SPOILED.format(fault="await asyncio.sleep(0.005)", score="p"),
    "sound, another model": SPOILED.format(fault="pass", score="p * 0.999"),
}
"""None of them may be stopped."""
