"""Smallest difference that a table can be expected to show."""

from __future__ import annotations

import math
from statistics import NormalDist

from benchmark.leaderboard.statistics import POWER, SIGNIFICANCE

INDEPENDENT = 0.5
"""Discordance of two independent rows of share one half: what is taken where none was observed."""


def detectable_difference(
    n: int, discordance: float = INDEPENDENT, significance: float = SIGNIFICANCE, power: float = POWER
) -> float:
    """Smallest difference of two shares of ``n`` common examples that the two-sided paired test finds with ``power``.

    Solves ``d sqrt(n) = a sqrt(psi) + b sqrt(psi - d^2)`` for d, with the normal quantiles a of 1 - significance / 2
    and b of the power (Connor 1987, Biometrics 43, the sample size of McNemar's test). ``discordance`` psi is the share
    of examples on which exactly one row is right; with several seeds the mean squared difference of the rows' shares of
    seeds. The closed form is ``sqrt(psi) (a sqrt(n) + b sqrt(n - a^2 + b^2)) / (n + b^2)``.

    No difference is larger than the discordance: where the form says so, psi is d itself, and with ``d = 1 - s^2`` the
    equation is ``(n + b^2) s^2 + 2 a b s + a^2 - n = 0``. At most 1.
    """
    normal = NormalDist()
    a, b = normal.inv_cdf(1 - significance / 2), normal.inv_cdf(power)
    if n <= a * a:
        return 1.0
    found = math.sqrt(discordance) * (a * math.sqrt(n) + b * math.sqrt(n - a * a + b * b)) / (n + b * b)
    if found > discordance:
        s = (-a * b + math.sqrt(a * a * b * b + (n + b * b) * (n - a * a))) / (n + b * b)
        found = 1 - s * s
    return min(1.0, found)
