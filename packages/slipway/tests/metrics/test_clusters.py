"""Clusters: standard errors and degrees of freedom equal their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from slipway.metrics import calibration
from slipway.metrics.clusters import Clusters, Way, ewc_dof, spread_of

UNEQUAL = np.repeat(np.arange(30), np.random.default_rng(4).integers(1, 40, 30))

ROWS = len(UNEQUAL)

PULL = np.random.default_rng(5).standard_normal(ROWS) + 0.5 * np.sin(UNEQUAL)
PULL -= PULL.mean()

DAYS = Way.of(UNEQUAL, ordered=True)


@pytest.mark.parametrize("sizes", [[3] * 6, [1, 2, 3, 10, 4], [20, 1, 1, 1]])
def test_cr2_and_its_degrees_of_freedom_equal_those_of_whole_matrices(sizes: list[int]) -> None:
    codes = np.repeat(np.arange(len(sizes)), sizes)
    rows = len(codes)
    member = np.eye(len(sizes))[codes]  # rows x clusters
    residual_of = np.eye(rows) - 1 / rows
    corrected = np.zeros((len(sizes), rows))
    for cluster in range(len(sizes)):
        mine = np.flatnonzero(codes == cluster)
        values, axes = np.linalg.eigh(residual_of[np.ix_(mine, mine)])
        root = axes / np.sqrt(values) @ axes.T
        corrected[cluster, mine] = root.sum(0)
    maker = corrected @ residual_of
    covariance = maker @ (member @ member.T) @ maker.T  # rows of a cluster err alike
    pull = np.random.default_rng(0).standard_normal(rows)
    pull -= pull.mean()
    spread = spread_of(pull, Clusters((Way.of(codes),)))
    assert spread.se**2 == pytest.approx(float(np.square(corrected @ pull).sum()))
    assert spread.dof == pytest.approx(np.trace(covariance) ** 2 / np.square(covariance).sum())


def test_clusters_of_equal_size_have_one_degree_of_freedom_less() -> None:
    codes = np.repeat(np.arange(12), 5)
    assert Way.of(codes).dof == pytest.approx(11)


def test_ewc_is_the_mean_square_of_the_first_cosine_transforms() -> None:
    sums = np.bincount(UNEQUAL, weights=PULL)
    dof = int(0.41 * 30 ** (2 / 3))
    powers = []
    for number in range(1, dof + 1):
        when = (np.arange(30) + 0.5) / 30
        powers.append(2 / 30 * (sums @ np.cos(np.pi * number * when)) ** 2)
    spread = spread_of(PULL, Clusters((DAYS,)))
    assert spread.dof == dof == 3
    assert spread.se**2 == pytest.approx(30 * np.mean(powers))


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "in time"])
def test_the_bootstrap_of_the_calibration_error_has_the_variance_of_the_clusters(
    ordered: bool,
) -> None:
    # Gaps that are all positive: the error is their mean.
    gaps = 0.4 + 0.01 * PULL
    bins = np.random.default_rng(1).integers(0, 5, ROWS).astype("uint8")
    clusters = Clusters((Way.of(UNEQUAL, ordered=ordered),))
    found = calibration.spread_of_errors([calibration.Binned(bins, gaps)], clusters)
    expected = spread_of((gaps - gaps.mean()) / ROWS, clusters)
    assert found.dof == expected.dof
    assert found.se == pytest.approx(expected.se, rel=0.1)  # 1,000 draws


def test_the_covariance_of_many_small_clusters_is_the_same_in_parts() -> None:
    codes = np.random.default_rng(2).permutation(np.arange(3_000) // 2)
    gaps = np.random.default_rng(3).standard_normal(3_000)
    bins = np.random.default_rng(4).integers(0, 10, 3_000).astype("uint8")
    many = Clusters((Way.of(codes),))  # 1,500 clusters of 10 bins: five parts
    table = np.zeros((1_500, 10))
    np.add.at(table, (many.ways[0].codes, bins), gaps)
    residuals = (table - table.sum(0) / 1_500) / np.sqrt(1 - 1 / 1_500)
    model = calibration.Binned(bins, gaps)
    found = calibration.covariance_of_bins([model], many.ways[0])
    assert found == pytest.approx(residuals.T @ residuals)


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "in time"])
def test_the_order_of_rows_does_not_matter(ordered: bool) -> None:
    moved = np.random.default_rng(6).permutation(ROWS)
    one = spread_of(PULL, Clusters((Way.of(UNEQUAL, ordered=ordered),)))
    other = spread_of(PULL[moved], Clusters((Way.of(UNEQUAL[moved], ordered=ordered),)))
    assert other == pytest.approx(one)


def test_the_names_of_unordered_clusters_do_not_matter() -> None:
    names = np.random.default_rng(7).permutation(30)
    bins = np.random.default_rng(1).integers(0, 5, ROWS).astype("uint8")
    model = calibration.Binned(bins, PULL)
    one, other = (Clusters((Way.of(codes),)) for codes in (UNEQUAL, names[UNEQUAL]))
    assert spread_of(PULL, other) == pytest.approx(spread_of(PULL, one))
    errors = [calibration.spread_of_errors([model], each) for each in (one, other)]
    assert errors[0] == pytest.approx(errors[1])


def test_the_order_of_days_matters() -> None:
    turned = np.random.default_rng(7).permutation(30)[UNEQUAL]
    ordered = spread_of(PULL, Clusters((DAYS,)))
    assert spread_of(PULL, Clusters((Way.of(turned, ordered=True),))) != pytest.approx(ordered)


def test_two_ways_that_are_the_same_are_one() -> None:
    way = Way.of(UNEQUAL)
    assert spread_of(PULL, Clusters((way, way))) == pytest.approx(spread_of(PULL, Clusters((way,))))


def test_of_two_nested_ways_the_coarser_counts() -> None:
    machines, plants = Way.of(UNEQUAL), Way.of(UNEQUAL // 3)
    pull = PULL + np.cos(UNEQUAL // 3)
    pull -= pull.mean()
    expected = spread_of(pull, Clusters((plants,)))
    for ways in ((machines, plants), (plants, machines)):
        assert spread_of(pull, Clusters(ways)) == pytest.approx(expected)


def test_two_crossed_ways_add_up_and_count_the_intersection_once() -> None:
    customers = Way.of(np.random.default_rng(8).integers(0, 40, ROWS))
    days = Way.of(UNEQUAL)
    both = Way.of(customers.codes.astype("int64") * 1_000 + days.codes)
    first, second, shared = (
        spread_of(PULL, Clusters((way,))).se ** 2 for way in (days, customers, both)
    )
    found = spread_of(PULL, Clusters((days, customers)))
    assert found.se**2 == pytest.approx(max(first + second - shared, first, second))


def test_the_rows_of_a_slice_have_the_clusters_that_they_are_in() -> None:
    customers = Way.of(np.random.default_rng(8).integers(0, 40, ROWS))
    rows = np.flatnonzero(np.random.default_rng(9).random(ROWS) < 0.05)
    found = Clusters((DAYS, customers)).take(rows)
    expected = Clusters((Way.of(UNEQUAL[rows], ordered=True), Way.of(customers.codes[rows])))
    assert found.count(len(rows)) == expected.count(len(rows)) < 30
    assert found.ways[0].ordered
    pull = PULL[rows] - PULL[rows].mean()
    assert spread_of(pull, found) == pytest.approx(spread_of(pull, expected))


@pytest.mark.parametrize(
    "values",
    [
        np.array([3, 900_000_000_000, 3, -5]),
        np.array([-128, 127, 0, -128], "int8"),
        np.array([2**64 - 1, 0, 2**64 - 1, 7], "uint64"),
        np.array(["b", "a", "b", "c"]),
        np.array(["2013-01-02", "2013-01-01", "2013-01-02", "2013-02-01"], "datetime64[D]"),
        np.array([True, False, True, False]),
        np.array([5, 4, 5, 7], "int32"),
    ],
    ids=lambda values: str(values.dtype),
)
def test_any_values_make_clusters_in_their_order(values: np.ndarray) -> None:
    found, codes = np.unique(values, return_inverse=True)
    way = Way.of(values)
    assert way.count == len(found)
    assert way.codes.tolist() == codes.tolist()


def test_the_degrees_of_freedom_of_ewc_grow_with_the_periods() -> None:
    assert [ewc_dof(periods) for periods in (2, 25, 30, 60, 122, 200)] == [1, 3, 3, 6, 10, 14]
