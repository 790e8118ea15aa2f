"""Ways in which a user's table differs from the one that a program was written for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

Mutation = Callable[[pd.DataFrame, str], pd.DataFrame]


def numbers(frame: pd.DataFrame, target: str) -> list[str]:
    return [str(name) for name in frame.select_dtypes("number") if name != target]


def first(frame: pd.DataFrame, target: str) -> str:
    return numbers(frame, target)[0]


def with_column(name: str, make: Callable[[pd.DataFrame], Any]) -> Mutation:
    return lambda frame, _: frame.assign(**{name: make(frame)})


def renamed(make: Callable[[str], str]) -> Mutation:
    return lambda frame, target: frame.rename(
        columns={name: make(name) for name in frame.columns if name != target}
    )


def changed(make: Callable[[pd.Series], Any]) -> Mutation:
    """Change the first number."""

    def change(frame: pd.DataFrame, target: str) -> pd.DataFrame:
        name = first(frame, target)
        return frame.assign(**{name: make(frame[name])})

    return change


def missing(share: float) -> Mutation:
    def change(frame: pd.DataFrame, target: str) -> pd.DataFrame:
        random = np.random.default_rng(0)
        others = [name for name in frame.columns if name != target]
        return frame.assign(
            **{name: frame[name].mask(random.random(len(frame)) < share) for name in others}
        )

    return change


def labels(make: Callable[[pd.Series], Any]) -> Mutation:
    return lambda frame, target: frame.assign(**{target: make(frame[target])})


def cycle(*values: object) -> Callable[[pd.DataFrame], Any]:
    return lambda frame: np.resize(np.array(values, dtype=object), len(frame))


def days(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(pd.date_range("2020-01-01", periods=len(frame), freq="D"))


MUTATIONS: dict[str, Mutation] = {
    "as it is": lambda frame, _: frame,
    "shuffled rows": lambda frame, _: frame.sample(frac=1, random_state=0),
    "columns in reverse": lambda frame, _: frame[frame.columns[::-1]],
    "the target first": lambda frame, target: frame[
        [target, *(name for name in frame.columns if name != target)]
    ],
    "one feature": lambda frame, target: frame[[first(frame, target), target]],
    "few rows": lambda frame, _: frame.sample(60, random_state=0),
    "too few rows": lambda frame, _: frame.head(30),
    "no rows": lambda frame, _: frame.head(0),
    "rows twice": lambda frame, _: pd.concat([frame, frame]),
    # names
    "names with spaces": renamed(lambda name: f"the {name} (mm)"),
    "names with quotes": renamed(lambda name: f"the \"{name}\" 'x'"),
    "names with backslashes": renamed(lambda name: f"{name}\\n"),
    "names with dollars and braces": renamed(lambda name: f"${{{name}}}$"),
    "names beyond ASCII": renamed(lambda name: f"größe_{name}_№"),
    "numbers as names": lambda frame, target: frame.rename(
        columns={name: str(at) for at, name in enumerate(frame.columns) if name != target}
    ),
    "names of Python": lambda frame, target: frame.rename(
        columns={first(frame, target): "class", frame.columns[1]: "import"}
    ),
    "names of the package": lambda frame, target: frame.rename(
        columns=dict(zip(numbers(frame, target), ["score", "key", "label"], strict=False))
    ),
    "a long name": lambda frame, target: frame.rename(columns={first(frame, target): "x" * 200}),
    # types
    "whole numbers": changed(lambda values: values.round().fillna(0).astype("int64")),
    "huge numbers": changed(lambda values: values * 1e30),
    "tiny numbers": changed(lambda values: values * 1e-30),
    "beyond int64": changed(lambda values: ["123456789012345678901"] * len(values)),
    "booleans": changed(lambda values: values > values.median()),
    "text of numbers": changed(lambda values: values.map(lambda value: f"n{value:.1f}")),
    "mixed types": changed(lambda values: values.astype(object).where(values.index % 3 > 0, "x")),
    "percent signs": changed(lambda values: values.round(1).astype(str) + "%"),
    "separators of thousands": changed(lambda values: (values.abs() * 1e6).map("{:,.0f}".format)),
    "infinite": changed(lambda values: values.where(values.index % 5 > 0, np.inf)),
    "all missing": changed(lambda values: np.full(len(values), np.nan)),
    "constant": changed(lambda values: np.full(len(values), 1.5)),
    "nearly constant": changed(lambda values: (np.arange(len(values)) == 3).astype("float64")),
    "5 % missing": missing(0.05),
    "90 % missing": missing(0.9),
    "words for missing": changed(
        lambda values: values.astype(object).where(values.index % 9 > 0, "?")
    ),
    # further columns
    "a category": with_column("kind", cycle("a", "b", "c")),
    "a category with missing values": with_column("kind", cycle("a", None, "c")),
    "a category of many values": with_column(
        "kind", lambda frame: [f"v{at % 97}" for at in range(len(frame))]
    ),
    "a text": with_column(
        "note", lambda frame: [f"note {at} of a row" for at in range(len(frame))]
    ),
    "a text with line breaks": with_column("note", cycle("a\nb", 'c"d', "e,f;g")),
    "an empty text": with_column("note", cycle("", " ", "x")),
    "a key": with_column("id", lambda frame: [f"k{at:06}" for at in range(len(frame))]),
    "a number as key": with_column("id", lambda frame: np.arange(len(frame)) + 10_000),
    "a repeated id": with_column("id", lambda frame: np.arange(len(frame)) // 2),
    "a day": with_column("day", days),
    "a time with a zone": with_column(
        "at", lambda frame: days(frame).dt.strftime("%Y-%m-%dT%H:%M:%S+02:00")
    ),
    "two times": lambda frame, _: frame.assign(day=days(frame), other=days(frame)),
    "a day with gaps": with_column("day", lambda frame: days(frame).where(frame.index % 7 > 0)),
    "days before 1970": with_column("day", lambda frame: days(frame) - pd.Timedelta(days=40_000)),
    "a copy of the label": lambda frame, target: frame.assign(copy=frame[target]),
    "a noisy copy of the label": lambda frame, target: frame.assign(
        copy=pd.factorize(frame[target])[0] + np.random.default_rng(0).normal(size=len(frame)) / 9
    ),
    # the target
    "labels missing": labels(lambda values: values.where(values.index % 4 > 0)),
    "labels as text": labels(lambda values: "c" + values.astype(str)),
    "labels constant": labels(lambda values: np.ones(len(values))),
    "labels of two values": labels(
        lambda values: np.where(pd.factorize(values)[0] % 2 == 0, "yes", "no")
    ),
    "labels infinite": labels(
        lambda values: np.where(np.arange(len(values)) % 9 > 0, pd.factorize(values)[0], np.inf)
    ),
    "a rare label": labels(lambda values: (np.arange(len(values)) % 50 == 0).astype(int)),
    "a class of one row": labels(lambda values: np.where(np.arange(len(values)) == 7, 99, values)),
}
