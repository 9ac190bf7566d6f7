"""Clean against worst-case accuracy, one panel a dataset, readable in grey."""

from __future__ import annotations

import io
from typing import Any

from benchmark.leaderboard.table import Row, Table

MARKERS = "osD^vP*X<>ph8"
GREYS = ("0.0", "0.35", "0.6")


def plot(table: Table) -> tuple[bytes, bytes]:
    """The plot as (SVG, PNG); rows without both accuracies are left out. The same table gives the same SVG.

    Across matplotlib versions the bytes may differ, so ``check`` does not compare them.
    """
    import matplotlib

    style: Any = {"svg.hashsalt": "bench", "svg.fonttype": "path", "font.family": "DejaVu Sans"}
    with matplotlib.rc_context(style):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        datasets = sorted({row.dataset for row in table.rows})
        figure = Figure(figsize=(4.6 * max(1, len(datasets)), 4.4), dpi=100, layout="constrained")
        # The object interface with an explicit canvas: no display, no global pyplot state.
        FigureCanvasAgg(figure)
        for index, dataset in enumerate(datasets, 1):
            _panel(figure.add_subplot(1, len(datasets), index), dataset, table.of(dataset))
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", metadata={"Software": None})
    return svg.getvalue(), png.getvalue()


def _panel(axes: Any, dataset: str, rows: list[Row]) -> None:
    shown = [row for row in rows if row.clean is not None and row.worst_case is not None]
    labels = sorted({_label(row, rows) for row in shown})
    for row in shown:
        assert row.clean is not None
        assert row.worst_case is not None
        x, y = row.clean, row.worst_case
        index = labels.index(_label(row, rows))
        axes.errorbar(
            100 * x.value,
            100 * y.value,
            xerr=[[100 * max(0.0, x.value - x.low)], [100 * max(0.0, x.high - x.value)]],
            yerr=[[100 * max(0.0, y.value - y.low)], [100 * max(0.0, y.high - y.value)]],
            marker=MARKERS[index % len(MARKERS)],
            color=GREYS[index % len(GREYS)],
            markerfacecolor="white" if row.rank is None else GREYS[index % len(GREYS)],
            capsize=2,
            linewidth=1,
            linestyle="none",
            label=_label(row, rows),
        )
    axes.set(title=dataset, xlabel="clean accuracy, %", ylabel="worst-case accuracy, % (95 % intervals)")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    if shown:
        axes.legend(fontsize=7, frameon=False)


def _label(row: Row, rows: list[Row]) -> str:
    name = row.defense if len({r.seed for r in rows}) == 1 else f"{row.defense}, seed {row.seed}"
    return name if row.rank is not None else f"{name} (no rank)"
