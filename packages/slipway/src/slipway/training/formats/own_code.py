"""Modules of the user's package that a model file needs, and which the pipeline must follow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.repository.pointers import PIPELINE, read_yaml
from slipway.user_code import PACKAGE

SOURCES = Path("src")

# The stages that fit the estimator.
STAGES = ("train", "backtest")


def require_dependencies(types: Iterable[str], pipeline: Path = PIPELINE) -> None:
    """Refuse a pipeline that would not fit again after a change of a type in the model file.

    Raises
    ------
    SlipwayError
        Names the module and the stage.
    """
    if not pipeline.exists():
        return
    stages = read_yaml(pipeline)["stages"]
    for name in types:
        module = name.rpartition(".")[0]
        if module.split(".")[0] != PACKAGE:
            continue
        path = (SOURCES / module.replace(".", "/")).with_suffix(".py")
        for stage in (stage for stage in STAGES if stage in stages):
            # An entry is a path, or a path with options.
            found = [
                next(iter(each)) if isinstance(each, dict) else each
                for each in stages[stage].get("deps", [])
            ]
            if not {path, *path.parents} & {Path(each) for each in found}:
                raise SlipwayError(
                    f"{pipeline}: the stage `{stage}` does not depend on {path}, and the model "
                    f"holds {name}: after a change of it, the old model would be kept",
                    f"add {path} to `deps` of the stages {' and '.join(STAGES)}",
                )
