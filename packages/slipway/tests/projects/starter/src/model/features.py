"""What the model sees of a row.

Return numbers as float32 (NaN where a value is missing) and categories as strings. Only
columns that are known before departure can be read here: asking for another one stops
the pipeline and names it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

CATEGORIES = ("carrier", "origin", "dest")

AS_THEY_ARE = (
    "weekday",
    "dep_minute",
    "arr_minute",
    "distance",
    "hour_departures",
    "plane_seats",
    "temp",
    "humid",
    "wind_speed",
    "precip",
    "pressure",
    "visib",
)


def features(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the features of some rows, each an array as long as the columns.

    The features of a row depend on that row alone, so a row scored by itself gets the
    same prediction as in a batch.
    """
    year = columns["scheduled_departure"].astype("datetime64[Y]").astype("int64") + 1970
    return {
        **{name: columns[name] for name in CATEGORIES},
        **{name: columns[name].astype("float32") for name in AS_THEY_ARE},
        "plane_age": (year - columns["plane_year"]).astype("float32"),
        "planned_minutes": ((columns["arr_minute"] - columns["dep_minute"]) % 1440).astype(
            "float32"
        ),
    }
