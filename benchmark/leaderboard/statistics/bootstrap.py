"""Percentile bootstrap of means over examples and seeds, evaluated exactly: no draws, no seed, no Monte-Carlo error.

A resample draws examples with replacement, each with all its seeds: every seed is attacked on the same examples. Its
mean lies on a lattice, so the distribution over all resamples is an n-fold convolution, which one Fourier transform
gives. Drawing 10,000 resamples would approximate it (Efron 1979; exact evaluation: his "method 1").

* One right and one wrong example are added before drawing; for a difference one won and one lost in one seed (Agresti
  and Caffo 2000; Agresti and Min 2005). Without them 0 of 60 would have the interval from 0 to 0.
* Two or three seeds cannot be resampled: their variance would come out too small by (S - 1) / S, and its uncertainty
  not at all. The seeds' part is drawn from ``sqrt(variance / S)`` times Student's t instead, with the variance of a
  seed's mean of :mod:`benchmark.leaderboard.statistics.seeds`. It holds the chance of each run on single examples,
  which is therefore taken out of the examples' part: their deviations are drawn in by :func:`seeds.of_examples`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.leaderboard.statistics import DECIMALS, LEVEL
from benchmark.leaderboard.statistics.seeds import NO_SEEDS, SeedVariance, of_examples, pooled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.leaderboard.statistics.seeds import Scores

    Floats = NDArray[np.float64]

TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
GRID = 1 << 13
"""Steps to the unit of the grid on which means over data sets are convolved."""
SLACK = 1e-9
"""Added where a cumulative probability is compared, so that rounding never decides between two lattice points."""
NEGLIGIBLE = 1e-13
"""Probability below which a lattice point is left out."""


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` examples and ``seeds`` training runs with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    seeds: int


@dataclass(frozen=True, eq=False)
class Resampled:
    """The bootstrap distribution of a mean: lattice ``points`` with their ``weights``, plus ``scale`` times t.

    ``value`` is the observed mean and ``bounds`` the range of the quantity.
    """

    value: float
    points: Floats
    weights: Floats
    scale: float
    freedom: int
    bounds: tuple[float, float]
    n: int
    seeds: int


def share(scores: Scores, variance: SeedVariance = NO_SEEDS) -> Resampled:
    """The resampled share of right answers of one row, seeds by examples."""
    import numpy as np

    seeds, n = scores.shape
    points, weights = _sums(scores.sum(axis=0), 0, seeds, seeds)
    ends = np.tile([False, True], (seeds, 1))
    points, scale = _with_seeds(points, weights, np.hstack([scores, ends]), variance.of(scores), variance)
    return Resampled(float(scores.mean()), points, weights, scale, variance.freedom, (0.0, 1.0), n, seeds)


def difference(first: Scores, second: Scores, variance: SeedVariance = NO_SEEDS) -> Resampled:
    """The resampled difference ``second`` minus ``first`` of two rows of as many seeds on the same examples."""
    import numpy as np

    seeds, n = first.shape
    table = second.astype(int) - first.astype(int)
    points, weights = _sums(table.sum(axis=0), -1, 1, seeds)
    ends = np.tile([-1.0 / seeds, 1.0 / seeds], (seeds, 1))
    between = variance.of(first) + variance.of(second)
    points, scale = _with_seeds(points, weights, np.hstack([table, ends]), between, variance)
    value = float(table.sum()) / (n * seeds)
    return Resampled(value, points, weights, scale, variance.freedom, (-1.0, 1.0), n, seeds)


def _with_seeds(
    points: Floats, weights: Floats, table: NDArray[Any], between: float, variance: SeedVariance
) -> tuple[Floats, float]:
    """The lattice points without the seeds' chance, and the scale of the seeds' part."""
    seeds = table.shape[0]
    if seeds == 1 or variance.freedom == 0:
        return points, 0.0
    middle = float(points @ weights)
    return middle + of_examples(table) * (points - middle), math.sqrt(between / seeds)


def estimate(resampled: Resampled) -> Estimate:
    """The observed mean with the percentile interval of its resampled distribution."""
    low, high = (_quantile(resampled, tail) for tail in TAILS)
    return _estimate(resampled.value, low, high, resampled.bounds, resampled.n, resampled.seeds)


def two_sided(resampled: Resampled) -> float:
    """P-value of "the mean is zero": 1 - the level of the widest percentile interval that leaves zero out."""
    import numpy as np
    from scipy.special import stdtr

    if resampled.scale == 0:
        below = float(resampled.weights[resampled.points <= SLACK].sum())
        above = float(resampled.weights[resampled.points >= -SLACK].sum())
    else:
        chances = stdtr(resampled.freedom, -resampled.points / resampled.scale)
        below = float(np.clip(resampled.weights @ chances, 0.0, 1.0))
        above = 1.0 - below
    return min(1.0, 2 * min(below, above))


def estimates(rows: Sequence[Scores]) -> list[Estimate]:
    """Interval of each row of one table; the variance between seeds is pooled over its rows."""
    variance = pooled(rows)
    return [estimate(share(scores, variance)) for scores in rows]


def mean(parts: Sequence[Resampled]) -> Estimate:
    """The unweighted mean over data sets, whose resamples are independent; ``n`` is the sum of theirs.

    The examples' parts are convolved on a grid of ``1 / GRID``; the seeds' parts are one t with the degrees of freedom
    of Welch and Satterthwaite. One part alone keeps its own exact interval.
    """
    if len(parts) == 1:
        return estimate(parts[0])
    import numpy as np
    from scipy.signal import fftconvolve

    low, high = parts[0].bounds
    whole = _on_grid(parts[0], low, high)
    for part in parts[1:]:
        whole = fftconvolve(whole, _on_grid(part, low, high))
    start = low * len(parts)
    squares = [part.scale**2 for part in parts]
    if sum(squares) > 0:
        freedom = sum(squares) ** 2 / sum(s**2 / part.freedom for s, part in zip(squares, parts, strict=True) if s > 0)
        # Noise beyond the width of all sums counts as lying at its end: that is far beyond any interval's.
        width = (high - low) * len(parts)
        whole = fftconvolve(whole, _noise_on_grid(math.sqrt(sum(squares)), freedom, width))
        start -= width
    total = np.cumsum(np.clip(whole, 0.0, None))
    ends = [(start + int(np.searchsorted(total, tail * total[-1] - SLACK)) / GRID) / len(parts) for tail in TAILS]
    value = math.fsum(part.value for part in parts) / len(parts)
    examples, seeds = sum(part.n for part in parts), min(part.seeds for part in parts)
    return _estimate(value, ends[0], ends[1], parts[0].bounds, examples, seeds)


def _sums(values: NDArray[np.int_], low: int, high: int, seeds: int) -> tuple[Floats, Floats]:
    """Points and probabilities of the mean of n + 2 draws from the n ``values``, one of ``low`` and one of ``high``."""
    import numpy as np

    start = min(low, int(values.min()))
    counts = np.bincount([*(values - start), low - start, high - start]).astype(float)
    draws = len(values) + 2
    size = draws * (len(counts) - 1) + 1
    weights = np.fft.irfft(np.fft.rfft(counts / draws, size) ** draws, size)
    kept = weights > NEGLIGIBLE
    points = (np.arange(size) + draws * start) / (draws * seeds)
    return points[kept], weights[kept] / weights[kept].sum()


def _quantile(resampled: Resampled, tail: float) -> float:
    import numpy as np

    if resampled.scale == 0:
        cumulated = np.cumsum(resampled.weights)
        return float(resampled.points[min(int(np.searchsorted(cumulated, tail - SLACK)), len(cumulated) - 1)])
    from scipy.optimize import brentq
    from scipy.special import stdtr

    def below(x: float) -> float:
        chances = stdtr(resampled.freedom, (x - resampled.points) / resampled.scale)
        return float(resampled.weights @ chances) - tail

    low, high = resampled.bounds
    if below(low) >= 0:
        return low
    return high if below(high) <= 0 else float(brentq(below, low, high, xtol=1e-10))


def _on_grid(part: Resampled, low: float, high: float) -> Floats:
    import numpy as np

    places = np.rint((part.points - low) * GRID).astype(int)
    return np.bincount(places, part.weights, minlength=round((high - low) * GRID) + 1).astype(np.float64)


def _noise_on_grid(scale: float, freedom: float, width: float) -> Floats:
    """``scale`` times t on the grid from ``-width`` to ``width``; what lies outside is put on the ends."""
    import numpy as np
    from scipy.special import stdtr

    half = round(width * GRID)
    edges = (np.arange(-half, half) + 0.5) / GRID
    return np.diff(stdtr(freedom, edges / scale), prepend=0.0, append=1.0)


def _estimate(value: float, low: float, high: float, bounds: tuple[float, float], n: int, seeds: int) -> Estimate:
    low, high = max(bounds[0], min(low, value)), min(bounds[1], max(high, value))
    value, low, high = (round(x, DECIMALS) + 0.0 for x in (value, low, high))
    return Estimate(value, low, high, n, seeds)
