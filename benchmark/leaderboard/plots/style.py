"""What all pictures share: one look, readable in grey and by colour-blind people, the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmark.leaderboard.lines import Share

MARKERS = "osD^vP*X<>ph8"
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2, 1, 2, 1, 2)))
SHADES = "cividis"
"""Perceptually uniform, made for colour-blind readers, and steadily brighter in grey."""
BRIGHTEST = 0.62
"""How far along the shades lines and marks go: beyond it they are too pale on white."""
INK, QUIET, RULE = "#1d2126", "#5f6670", "#dddddd"
PANEL = (4.6, 3.7)
"""Inches."""
DOTS = 150
"""Of the PNG, per inch."""

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "bench",
    "svg.fonttype": "path",
    # The only font that comes with the library, and so is the same everywhere.
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "text.color": INK,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "text.parse_math": False,  # a name is text, whatever signs are in it
}


@contextmanager
def styled() -> Iterator[None]:
    """The library with this look and nothing of the user's own."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for name, value in STYLE.items():
            matplotlib.rcParams[name] = value
        yield


def new_figure(columns: int, rows: int, panel: tuple[float, float] = PANEL) -> Any:
    """A figure with an explicit canvas: no display, no global state of the library."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(panel[0] * columns, panel[1] * rows), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def lay_out(figure: Any) -> None:
    """Place everything, once: each later drawing would do it again."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def written(figure: Any) -> tuple[bytes, bytes]:
    """The figure as (SVG, PNG), without date and version."""
    svg, png = io.BytesIO(), io.BytesIO()
    lay_out(figure)
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", dpi=DOTS, metadata={"Software": None})
    return svg.getvalue(), png.getvalue()


@dataclass(frozen=True)
class Look:
    """How one defense is drawn, the same in every panel."""

    color: Any
    marker: str
    line: Any


def looks(names: Iterable[str]) -> dict[str, Look]:
    """A look for each name: shade, marker and line all differ, so that one of them is enough."""
    from matplotlib import colormaps

    found = sorted(set(names))
    shades = colormaps[SHADES]
    steps = max(1, len(found) - 1)
    return {
        name: Look(shades(BRIGHTEST * index / steps), MARKERS[index % len(MARKERS)], LINES[index % len(LINES)])
        for index, name in enumerate(found)
    }


def ink_on(color: Sequence[float]) -> str:
    """Dark or white, whichever can be read better on a colour (contrast of WCAG 2.1)."""

    def light(channel: float) -> float:
        return float(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)

    luminance = 0.2126 * light(color[0]) + 0.7152 * light(color[1]) + 0.0722 * light(color[2])
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.065 else INK


def error(share: Share) -> list[list[float]]:
    """A share's interval as lengths below and above it, in per cent, one column."""
    return [[100 * max(0.0, share.value - share.low)], [100 * max(0.0, share.high - share.value)]]


def grid(axes: Any) -> None:
    """Thin rules behind the data."""
    axes.grid(visible=True, color=RULE, linewidth=0.6)
    axes.tick_params(length=3, width=0.7)


def interval_limits(values: Sequence[float], least: float = 10.0) -> tuple[float, float]:
    """Limits of an axis in per cent around the values, in whole fives, at least ``least`` wide."""
    low, high = min(values, default=0.0), max(values, default=100.0)
    low, high = max(0.0, 5 * ((low - 0.5) // 5)), 5 * -(-(high + 0.5) // 5)
    return low, min(102.0, max(high, low + least))


def share_axis(axis: Any) -> None:
    """Round steps of an axis in per cent."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10], integer=True))


def legend(figure: Any, look: dict[str, Look], lines: bool = True, upper_bound: bool = False) -> None:
    """One legend above all panels."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=one.color,
            marker=one.marker,
            linestyle=one.line if lines else "none",
            markersize=5,
            label=name,
        )
        for name, one in look.items()
    ]
    if upper_bound:
        handles.append(
            Line2D([], [], color=QUIET, marker="o", markerfacecolor="white", linestyle="none", label="upper bound")
        )
    # As many columns as fit, at about 0.075 inches a letter.
    width = 0.075 * max(len(name) for name in look) + 0.8
    columns = max(1, min(len(handles), int(figure.get_size_inches()[0] / width)))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, handlelength=3.2 if lines else 1.0)


DISTANCES = (8, 14, 22, 32, 44, 58, 74, 92, 112, 134)
"""Between a mark and its name, in pixels, as they are tried."""
NEAR = 44
"""Up to here a name would rather stand away from lines; further off it may cross one."""


class Label(NamedTuple):
    """A point in data units, its name, and the ends of its intervals (the point itself where it has none)."""

    x: float
    y: float
    name: str
    left: float
    right: float
    low: float
    high: float


def label_points(figure: Any, panels: Sequence[tuple[Any, Sequence[Label]]]) -> None:
    """Write each point's name beside it: at the nearest place that no mark and no other name takes, with a thin leader.

    Call it last: it reads the limits of the axes.
    """
    from matplotlib.text import Text

    lay_out(figure)
    renderer = figure.canvas.get_renderer()
    scale = 72 / figure.dpi
    for axes, points in panels:
        marks = [axes.transData.transform(point[:2]) for point in points]
        taken: list[_Box] = [(x - 6, y - 6, x + 6, y + 6) for x, y in marks]
        lines = [box for point in points for box in _lines(axes, point)]
        frame = axes.get_window_extent(renderer)
        for point, mark in sorted(zip(points, marks, strict=True), key=lambda pair: -pair[1][1]):
            note = axes.annotate(
                point.name,
                (point.x, point.y),
                xytext=(0, 0),
                textcoords="offset points",
                fontsize=8.5,
                verticalalignment="bottom",
                arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 5},
            )
            # Without its arrow, which has no length yet.
            size = Text.get_window_extent(note, renderer)
            box, inside = (size.width + 4, size.height + 2), (frame.x0, frame.y0, frame.x1, frame.y1)
            spot = _free(mark, box, [*taken, *lines], inside, NEAR) or _free(mark, box, taken, inside)
            spot = spot or (mark[0] + 8, mark[1] + 8, mark[0] + 8 + box[0], mark[1] + 8 + box[1])
            taken.append(spot)
            note.set_position(((spot[0] + 2 - mark[0]) * scale, (spot[1] + 1 - mark[1]) * scale))
            note.set_in_layout(False)


_Box = tuple[float, float, float, float]


def _lines(axes: Any, label: Label) -> list[_Box]:
    """Where the lines of a point's intervals are drawn."""
    (left, low), (right, high) = axes.transData.transform([(label.left, label.low), (label.right, label.high)])
    x, y = axes.transData.transform((label.x, label.y))
    return [(left, y - 1, right, y + 1), (x - 1, low, x + 1, high)]


def _free(
    mark: Any, size: tuple[float, float], taken: Sequence[_Box], inside: _Box, furthest: int = DISTANCES[-1]
) -> _Box | None:
    """The first box of this size, going outwards from the mark, that overlaps none of ``taken`` and stays inside; None
    where there is none near."""
    x, y = mark
    width, height = size
    for distance in (distance for distance in DISTANCES if distance <= furthest):
        for dx, dy in ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1)):
            left = x + dx * distance - (width if dx < 0 else width / 2 if dx == 0 else 0)
            bottom = y + dy * distance - (height if dy < 0 else height / 2 if dy == 0 else 0)
            box = (left, bottom, left + width, bottom + height)
            fits = inside[0] <= box[0] and box[2] <= inside[2] and inside[1] <= box[1] and box[3] <= inside[3]
            if fits and not any(_overlap(box, other) for other in taken):
                return box
    return None


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
