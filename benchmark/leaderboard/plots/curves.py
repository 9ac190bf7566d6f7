"""Accuracy by query budget: one panel for the worst case and for each attack, one line a defense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.leaderboard.curves import BUDGETS, WORST_CASE, Curve, curves_of
from benchmark.leaderboard.evidence import Evidence
from benchmark.leaderboard.lines import name_of
from benchmark.leaderboard.plots.style import Look, grid, legend, looks, new_figure
from benchmark.leaderboard.table import Table

PANEL = (2.75, 2.3)
MOST_INTERVALS = 8
"""Lines in a panel up to which their intervals are drawn."""
SPREAD = 0.03
"""How far the marks of one budget are moved apart, in powers of ten, so that their intervals can be seen."""


def budget_curves(table: Table, evidence: Evidence) -> Any:
    """The curves of every dataset: its worst case first, then its attacks in the suite's order."""
    found = curves_of([(cell, evidence.attacked[cell.key]) for cell in evidence.cells if cell.attack is not None])
    attacks = [WORST_CASE, *table.suite.attacks]
    wanted = [(d, a) for d in sorted({c.dataset for c in found}) for a in attacks]
    panels = {place: [c for c in found if (c.dataset, c.attack) == place] for place in wanted}
    panels = {place: curves for place, curves in panels.items() if curves}
    names = {row.place: name_of(row, table) for row in table.rows}
    look = looks(names.values())
    per_dataset = max(sum(place[0] == dataset for place in panels) for dataset in {d for d, _ in panels})
    columns = min(per_dataset, 3 if -per_dataset % 3 < -per_dataset % 4 else 4)
    rows, places = _layout(list(panels), columns)
    figure = new_figure(columns, rows, PANEL)
    for (place, curves), number in zip(panels.items(), places, strict=True):
        axes = figure.add_subplot(rows, columns, number)
        axes.set_title(f"{place[0]} · {place[1]}", fontsize=8.5)
        _panel(axes, curves, names, look)
        if number % columns == 1 or columns == 1:
            axes.set_ylabel("accuracy, %")
    figure.supxlabel("queries an example", fontsize=9)
    legend(figure, look, upper_bound=any(point.cut for curve in found for point in curve.points))
    return figure


def _layout(places: Sequence[tuple[str, str]], columns: int) -> tuple[int, list[int]]:
    """Rows of panels, and each panel's number (from 1); a dataset begins a row of its own."""
    numbers: list[int] = []
    rows = 0
    for dataset in dict.fromkeys(dataset for dataset, _ in places):
        count = sum(place[0] == dataset for place in places)
        numbers += [rows * columns + n for n in range(1, count + 1)]
        rows += math.ceil(count / columns)
    return rows, numbers


@dataclass(frozen=True)
class Drawn:
    """One budget of one line, in per cent. ``bound`` marks an upper bound."""

    budget: int
    value: float
    low: float
    high: float
    bound: bool


def merged(curves: Sequence[Curve]) -> list[Drawn]:
    """The curve of one victim with its intervals; of several seeds their mean, from the lowest to the highest seed."""
    points = []
    for found in zip(*(curve.points for curve in curves), strict=True):
        shares = [point.accuracy for point in found if point.accuracy is not None]
        if len(shares) < len(found):
            continue
        values = [100 * share.value for share in shares]
        ends = (100 * shares[0].low, 100 * shares[0].high) if len(shares) == 1 else (min(values), max(values))
        mean = math.fsum(values) / len(values)
        points.append(Drawn(found[0].budget, mean, *ends, any(point.cut for point in found)))
    return points


def _panel(axes: Any, curves: Sequence[Curve], names: Any, look: dict[str, Look]) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.set_xscale("log")
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(names[curve.dataset, curve.model, curve.defense, curve.seed], []).append(curve)
    crowded = len(groups) > MOST_INTERVALS
    for index, name in enumerate(sorted(groups)):
        shift = 1.0 if crowded else 10 ** (SPREAD * (index - (len(groups) - 1) / 2))
        _line(axes, merged(groups[name]), look[name], shift, not crowded)
    axes.xaxis.set_major_locator(FixedLocator(list(BUDGETS)))
    axes.xaxis.set_major_formatter(FixedFormatter([str(budget) for budget in BUDGETS]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, 102)
    grid(axes)


def _line(axes: Any, points: Sequence[Drawn], look: Look, shift: float, intervals: bool) -> None:
    xs, ys = [point.budget * shift for point in points], [point.value for point in points]
    axes.plot(xs, ys, color=look.color, linestyle=look.line, linewidth=1.4, zorder=2)
    if intervals:
        lows, highs = [point.low for point in points], [point.high for point in points]
        axes.vlines(xs, lows, highs, colors=[(*look.color[:3], 0.5)], linewidth=1, zorder=2)
    for bound in (False, True):
        chosen = [(x, point.value) for x, point in zip(xs, points, strict=True) if point.bound is bound]
        if chosen:
            face = "white" if bound else look.color
            style = {"marker": look.marker, "markersize": 4.5, "color": look.color, "markerfacecolor": face}
            axes.plot(*zip(*chosen, strict=True), linestyle="none", zorder=3, **style)
