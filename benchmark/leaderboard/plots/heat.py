"""Squares with numbers in them: attack by defense, and who else is fooled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.leaderboard.evidence import Evidence
from benchmark.leaderboard.lines import Line, datasets_of, lines_of, name_of
from benchmark.leaderboard.plots.style import INK, QUIET, SHADES, ink_on, new_figure
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.transfers import victims_of
from benchmark.records import TransferRecord

SQUARE = (0.78, 0.36)
"""Inches of one square of the table by attack."""

MOST_NUMBERS = 60
"""Lines of a panel up to which numbers are written: a longer one is looked at for its shades."""
PAPER = (0.95, 0.95, 0.94)
OWN = (None, "own")
Value = tuple[float | None, str] | None
"""A share in 0..1 that gives the shade (None for none), and what is written; None for what was not measured."""


def attack_by_defense(table: Table) -> Any:
    """Accuracy of every row, clean, under each attack, and in the worst case."""
    datasets = datasets_of(table)
    heads = ["clean", *table.suite.attacks, "worst case"]
    panels = []
    for dataset in datasets:
        rows = [line for line in lines_of(table) if line.dataset == dataset]
        panels.append((dataset, [row.name for row in rows], heads, [_values(row, table) for row in rows]))
    return _figure(panels, "accuracy, %", "", edges=(1, len(heads) - 1))


def _values(row: Line, table: Table) -> list[Value]:
    found = [row.attacks.get(name) for name in table.suite.attacks]
    shares = [row.clean, *found, row.worst_case]
    return [None if share is None else (share.value, f"{100 * share.value:.0f}") for share in shares]


def transfer_matrix(table: Table, evidence: Evidence, transfers: Sequence[TransferRecord]) -> Any:
    """One panel a dataset: rows are whose texts they are, columns who reads them."""
    panels = []
    counts = transfer_counts(table, evidence, transfers)
    for dataset in sorted({place[0] for place in counts}):
        names = sorted({name for place in counts if place[0] == dataset for name in place[1:]})
        values: list[list[Value]] = [
            [OWN if source == target else _square(counts.get((dataset, source, target))) for target in names]
            for source in names
        ]
        panels.append((dataset, names, names, values))
    return _figure(panels, "also fooled, %", "reads the text", ylabel="broken by the attack")


def transfer_counts(
    table: Table, evidence: Evidence, transfers: Sequence[TransferRecord]
) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Dataset, source and target to how many texts fooled the target, of how many it was right on before."""
    names = {row.place: name_of(row, table) for row in table.rows}
    cells = {cell.key: cell for cell in evidence.cells}
    victims = victims_of(evidence.cells)
    counts: dict[tuple[str, str, str], tuple[int, int]] = {}
    for record in transfers:
        source, target = cells[record.source], victims[record.target]
        place = (
            source.dataset,
            names[source.dataset, source.model, source.defense, source.seed],
            names[target.dataset, target.model, target.defense, target.seed],
        )
        fooled, n = counts.get(place, (0, 0))
        counts[place] = (fooled + (record.clean and record.fooled), n + record.clean)
    return counts


def _square(count: tuple[int, int] | None) -> Value:
    if count is None or not count[1]:
        return None
    return count[0] / count[1], f"{100 * count[0] / count[1]:.0f}\nn {count[1]}"


_Panel = tuple[str, list[str], list[str], list[list[Value]]]


def _figure(panels: Sequence[_Panel], shade: str, xlabel: str, ylabel: str = "", edges: Sequence[int] = ()) -> Any:
    """The panels side by side, or one below the other where they are wide; one scale of shades for all."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    lines = max(text.count("\n") for *_, values in panels for row in values for v in row if v for text in (v[1],)) + 1
    square = (SQUARE[0], SQUARE[1] + 0.14 * (lines - 1))
    heads = max(len(heads) for _, _, heads, _ in panels)
    rows = max(len(names) for _, names, _, _ in panels)
    margin = 0.1 * max(len(name) for _, names, _, _ in panels for name in names) + 0.6
    width = square[0] * heads + margin
    columns = max(1, min(len(panels), int(13 // width)))
    lower = -(-len(panels) // columns)
    figure = new_figure(1, 1, (width * columns + 0.9, lower * (square[1] * rows + 1.5)))
    shades = colormaps[SHADES]
    everywhere = []
    for number, (title, names, heads_here, values) in enumerate(panels, 1):
        axes = figure.add_subplot(lower, columns, number)
        everywhere.append(axes)
        _squares(axes, values, shades)
        axes.set(title=title, xlim=(0, len(heads_here)), ylim=(len(names), 0), ylabel=ylabel, xlabel=xlabel)
        ticks = [n + 0.5 for n in range(len(heads_here))]
        axes.set_xticks(ticks, heads_here, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks([n + 0.5 for n in range(len(names))], names)
        axes.tick_params(length=0, labelcolor=INK)
        for spine in axes.spines.values():
            spine.set_visible(False)
        for edge in edges:
            axes.axvline(edge, color="white", linewidth=4)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 100), shades), ax=everywhere, fraction=0.03, pad=0.02, aspect=18)
    bar.set_label(shade)
    bar.outline.set_visible(False)
    return figure


def _squares(axes: Any, values: Sequence[Sequence[Value]], shades: Any) -> None:
    from matplotlib.patches import Rectangle

    for y, row in enumerate(values):
        for x, value in enumerate(row):
            if value is None:
                axes.add_patch(Rectangle((x, y), 1, 1, facecolor="#f4f4f2", edgecolor=QUIET, hatch="////", linewidth=0))
                continue
            color = PAPER if value[0] is None else shades(value[0])
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=color, edgecolor="white", linewidth=1.2))
            if len(values) <= MOST_NUMBERS:
                axes.text(x + 0.5, y + 0.5, value[1], ha="center", va="center", color=ink_on(color), fontsize=8.5)
