"""Percentile bootstrap of means over examples and seeds, evaluated exactly: no draws, no seed, no Monte-Carlo error.

A resample draws examples with replacement, each with all its seeds: every seed is attacked on the same examples. Its
mean lies on a lattice, so the distribution over all resamples is an n-fold convolution, which one Fourier transform
gives. Drawing 10,000 resamples would approximate it (Efron 1979; exact evaluation: his "method 1").

* One right and one wrong example are added before drawing; for a difference one won and one lost in one seed (Agresti
  and Caffo 2000; Agresti and Min 2005). Without them 0 of 60 would have the interval from 0 to 0.
* Two or three seeds cannot be resampled: the variance between them would come out too small by (S - 1) / S, and its
  uncertainty not at all. The seeds' part is drawn from ``sqrt(variance / S)`` times Student's t instead, with the
  variance of :mod:`benchmark.leaderboard.statistics.seeds`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.leaderboard.statistics import DECIMALS, LEVEL
from benchmark.leaderboard.statistics.seeds import NO_SEEDS, SeedVariance, pooled

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
    seeds, n = scores.shape
    points, weights = _sums(scores.sum(axis=0), 0, seeds, seeds)
    scale = math.sqrt(variance.of(scores) / seeds) if seeds > 1 else 0.0
    return Resampled(float(scores.mean()), points, weights, scale, variance.freedom, (0.0, 1.0), n, seeds)


def difference(first: Scores, second: Scores, variance: SeedVariance = NO_SEEDS) -> Resampled:
    """The resampled difference ``second`` minus ``first`` of two rows of as many seeds on the same examples."""
    seeds, n = first.shape
    gained = second.sum(axis=0).astype(int) - first.sum(axis=0).astype(int)
    points, weights = _sums(gained, -1, 1, seeds)
    scale = math.sqrt((variance.of(first) + variance.of(second)) / seeds) if seeds > 1 else 0.0
    return Resampled(float(gained.mean()) / seeds, points, weights, scale, variance.freedom, (-1.0, 1.0), n, seeds)


def estimate(resampled: Resampled) -> Estimate:
    """The observed mean with the percentile interval of its resampled distribution."""
    low, high = (_quantile(resampled, tail) for tail in TAILS)
    return _estimate(resampled.value, low, high, resampled.bounds, resampled.n, resampled.seeds)


def estimates(rows: Sequence[Scores]) -> list[Estimate]:
    """Interval of each row of one table; the variance between seeds is pooled over its rows."""
    variance = pooled(rows)
    return [estimate(share(scores, variance)) for scores in rows]


def mean(parts: Sequence[Resampled]) -> Estimate:
    """The unweighted mean over data sets, whose resamples are independent; ``n`` is the sum of theirs.

    The distributions are convolved on a grid of ``1 / GRID``; one part keeps its own exact interval.
    """
    if len(parts) == 1:
        return estimate(parts[0])
    import numpy as np
    from scipy.signal import fftconvolve

    width = parts[0].bounds[1] - parts[0].bounds[0]
    # Noise beyond one width outside the bounds counts as lying there: it is far beyond any interval's end.
    low, high = parts[0].bounds[0] - width, parts[0].bounds[1] + width
    whole = np.ones(1)
    for part in parts:
        for piece in (_on_grid(part, low, high), _noise_on_grid(part, width)):
            whole = piece if whole.size == 1 else fftconvolve(whole, piece)
    start = sum(low + (-width if part.scale > 0 else 0.0) for part in parts)
    total = np.cumsum(np.clip(whole, 0.0, None))
    ends = [(start + int(np.searchsorted(total, tail * total[-1] - SLACK)) / GRID) / len(parts) for tail in TAILS]
    value = math.fsum(part.value for part in parts) / len(parts)
    return _estimate(
        value, ends[0], ends[1], parts[0].bounds, sum(p.n for p in parts), min(part.seeds for part in parts)
    )


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


def _noise_on_grid(part: Resampled, width: float) -> Floats:
    """The seeds' part on the grid from ``-width`` to ``width``; a single one without it."""
    import numpy as np
    from scipy.special import stdtr

    if part.scale == 0:
        return np.ones(1)
    half = round(width * GRID)
    edges = (np.arange(-half, half) + 0.5) / GRID
    inner = stdtr(part.freedom, edges / part.scale)
    return np.diff(inner, prepend=0.0, append=1.0)


def _estimate(value: float, low: float, high: float, bounds: tuple[float, float], n: int, seeds: int) -> Estimate:
    low, high = max(bounds[0], min(low, value)), min(bounds[1], max(high, value))
    value, low, high = (round(x, DECIMALS) + 0.0 for x in (value, low, high))
    return Estimate(value, low, high, n, seeds)
