"""Intervals, tests and sample sizes, over numpy arrays: nothing here knows records or pages.

Every choice, its formula and its source: docs/statistics.md.
"""

from __future__ import annotations

LEVEL = 0.95
"""Coverage of every interval."""
SIGNIFICANCE = 0.05
"""Family-wise error rate of the ranks, and level of the test behind the detectable difference."""
POWER = 0.8
"""Power behind the detectable difference."""
DECIMALS = 6
"""Figures are rounded to these, so that a page is the same on every machine."""
