"""The same model behind FastAPI and nothing else: no validation, no tokens, no log, no metrics."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI

from model.features import AS_THEY_ARE, CATEGORIES

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession("build/model/model.onnx", options)
app = FastAPI()


def number(value: float | None) -> np.ndarray[Any, Any]:
    return np.array([[value]], dtype="float32")


@app.post("/predict")
async def predict(row: dict[str, Any]) -> dict[str, float]:
    year = int(row["scheduled_departure"][:4])
    feed = {name: np.array([[row[name]]], dtype=object) for name in CATEGORIES}
    feed |= {name: number(row[name]) for name in AS_THEY_ARE}
    feed["plane_age"] = number(year - row["plane_year"])
    feed["planned_minutes"] = number((row["arr_minute"] - row["dep_minute"]) % 1440)
    return {"probability": float(session.run(["probabilities"], feed)[0][0, 1])}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
