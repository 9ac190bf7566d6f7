"""Accuracy against accuracy, and accuracy against cost: one mark a row, one panel a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmark.leaderboard.lines import Line, datasets_of, lines_of
from benchmark.leaderboard.plots.style import (
    QUIET,
    Label,
    Look,
    error,
    grid,
    interval_limits,
    label_points,
    legend,
    looks,
    new_figure,
    share_axis,
)
from benchmark.leaderboard.table import Table

MOST_NAMES = 14
"""In one panel."""
CLEAN = "clean accuracy, %"
SHADOW = "#f3f3f0"
"""What some row beats in both."""


def clean_against_worst(table: Table) -> Any:
    """Clean against worst-case accuracy, with the Pareto front of each dataset."""
    datasets, lines = datasets_of(table), lines_of(table)
    figure = new_figure(len(datasets), 1)
    look = looks(line.name for line in lines)
    panels: list[tuple[Any, list[Label]]] = []
    for index, dataset in enumerate(datasets, 1):
        axes = figure.add_subplot(1, len(datasets), index)
        shown = [line for line in lines if line.dataset == dataset and line.clean and line.worst_case]
        _frame(axes, dataset, shown)
        axes.set_xlabel(CLEAN)
        bounds = [100 * b for row in shown if row.clean is not None for b in (row.clean.low, row.clean.high)]
        axes.set_xlim(*interval_limits(bounds))
        share_axis(axes.xaxis)
        both = [(row.clean, row.worst_case) for row in shown]
        _front(axes, pareto([(100 * x.value, 100 * y.value) for x, y in both if x and y]))
        panels.append((axes, _rows(axes, shown, look, lambda row: 100 * row.clean.value if row.clean else 0.0)))
    _name(figure, panels, look)
    return figure


def cost_against_worst(table: Table) -> Any:
    """Training time and forward passes a prediction, each against worst-case accuracy."""
    datasets = datasets_of(table)
    lines = lines_of(table)
    kinds: list[tuple[str, bool, Callable[[Line], float | None]]] = []
    if any(line.seconds for line in lines):
        kinds.append(("training, seconds", True, lambda line: line.seconds or None))
    if any(line.forwards for line in lines):
        kinds.append(("forward passes for one prediction", False, lambda line: line.forwards))
    figure = new_figure(len(datasets), len(kinds), (4.6, 2.9))
    look = looks(line.name for line in lines)
    panels: list[tuple[Any, list[Label]]] = []
    for number, (label, logarithmic, cost) in enumerate(kinds):
        for index, dataset in enumerate(datasets, 1):
            axes = figure.add_subplot(len(kinds), len(datasets), number * len(datasets) + index)
            shown = [line for line in lines if line.dataset == dataset and line.worst_case and cost(line)]
            _frame(axes, dataset, shown)
            axes.set_xlabel(label)
            _cost_axis(axes, [float(cost(row) or 0) for row in shown], logarithmic)
            panels.append((axes, _rows(axes, shown, look, cost)))
    _name(figure, panels, look)
    return figure


def _name(figure: Any, panels: Sequence[tuple[Any, list[Label]]], look: dict[str, Look]) -> None:
    """Names beside the marks; a legend where that would be a thicket."""
    if max((len(labels) for _, labels in panels), default=0) > MOST_NAMES:
        legend(figure, look, lines=False)
    else:
        label_points(figure, panels)


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other is at least as good as in both and better in one, by rising first value."""
    front: list[tuple[float, float]] = []
    for point in sorted(set(points), key=lambda p: (-p[0], -p[1])):
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return front[::-1]


def _frame(axes: Any, dataset: str, shown: Sequence[Line]) -> None:
    axes.set(title=dataset, ylabel="worst-case accuracy, %")
    highest = max((100 * row.worst_case.high for row in shown if row.worst_case), default=100.0)
    axes.set_ylim(0, min(102.0, 10 * -(-(highest + 4) // 10)))
    share_axis(axes.yaxis)
    grid(axes)


def _front(axes: Any, front: Sequence[tuple[float, float]]) -> None:
    """From the left edge to the right: what can be had of the one for the other."""
    if not front:
        return
    left, bottom = axes.get_xlim()[0], axes.get_ylim()[0]
    xs, ys = [left], [front[0][1]]
    for x, y in front:
        xs += [xs[-1], x]
        ys += [y, y]
    axes.fill_between(xs, ys, bottom, color=SHADOW, linewidth=0, zorder=0)
    axes.plot([*xs, xs[-1]], [*ys, bottom], color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    axes.annotate(
        "Pareto front", (left, front[0][1]), xytext=(4, 3), textcoords="offset points", fontsize=7.5, color=QUIET
    )


def _cost_axis(axes: Any, values: Sequence[float], logarithmic: bool) -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter

    low, high = min(values, default=1.0), max(values, default=1.0)
    if not logarithmic:
        axes.set_xlim(0, 1.35 * high + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        return
    axes.set_xscale("log")
    low, high = low / 1.6, high * 2.2
    axes.set_xlim(low, high)
    steps = (1, 1.5, 2, 3, 5, 7) if high / low < 12 else (1, 2, 5) if high / low < 200 else (1,)
    ticks = [step * 10.0**power for power in range(-3, 9) for step in steps]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())


def _rows(
    axes: Any, shown: Sequence[Line], look: dict[str, Look], place: Callable[[Line], float | None]
) -> list[Label]:
    labels: list[Label] = []
    for row in shown:
        assert row.worst_case is not None
        sideways = row.clean if axes.get_xlabel() == CLEAN else None
        mine, x, y = look[row.name], place(row) or 0.0, 100 * row.worst_case.value
        axes.errorbar(
            x,
            y,
            xerr=error(sideways) if sideways else None,
            yerr=error(row.worst_case),
            marker=mine.marker,
            markersize=6.5,
            color=mine.color,
            markerfacecolor="white" if row.rank is None else mine.color,
            ecolor=(*mine.color[:3], 0.6),
            elinewidth=1.1,
            capsize=2,
            linestyle="none",
            zorder=3,
            clip_on=False,
        )
        left, right = (100 * sideways.low, 100 * sideways.high) if sideways else (x, x)
        low, high = 100 * row.worst_case.low, 100 * row.worst_case.high
        labels.append(Label(x, y, row.name, left, right, low, high))
    return labels
