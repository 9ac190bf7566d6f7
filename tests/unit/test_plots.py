"""The pictures: which there are, the same bytes every time, no name outside the picture or over another."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from boards import Size, store_of

from benchmark.identity import cell_key
from benchmark.leaderboard.curves import Curve, CurvePoint
from benchmark.leaderboard.evidence import Evidence, make_evidence
from benchmark.leaderboard.metrics import Proportion
from benchmark.leaderboard.plots import known_files, pictures, plot_files
from benchmark.leaderboard.plots.accuracy import clean_against_worst, cost_against_worst, pareto
from benchmark.leaderboard.plots.curves import budget_curves, merged
from benchmark.leaderboard.plots.heat import attack_by_defense, transfer_counts, transfer_matrix
from benchmark.leaderboard.plots.style import BRIGHTEST, SHADES, ink_on, interval_limits, looks, styled
from benchmark.leaderboard.table import Table, build_table
from benchmark.records import Outcome, TransferRecord

NAMES = ("mlp", "mvp", "mlp+pgd", "mvp+pgd", "mlp+freelb++", "mvp+freelb++")


class Board:
    """A table, its evidence and made-up transfers."""

    def __init__(self, root: Path, size: Size) -> None:
        suite, store = store_of(root, size)
        cells = store.cells()
        self.evidence: Evidence = make_evidence(
            cells,
            {cell.key: store.records(cell) for cell in cells if cell.attack},
            {cell.key: store.clean_records(cell) for cell in cells if not cell.attack},
        )
        self.table: Table = build_table(suite, self.evidence)
        self.transfers: list[TransferRecord] = []
        readers = [(cell_key(cell.spec["victim"]), cell) for cell in cells if cell.attack is None]
        for cell in cells:
            for reader, other in readers:
                if (
                    cell.attack
                    and (cell.dataset, cell.seed) == (other.dataset, other.seed)
                    and cell.defense != other.defense
                ):
                    broken = [r for r in self.evidence.attacked[cell.key] if r.outcome is Outcome.BROKEN]
                    self.transfers += [
                        TransferRecord(
                            source=cell.key, target=reader, example_id=r.example_id, clean=n != 1, fooled=n < 3
                        )
                        for n, r in enumerate(broken)
                    ]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    size = Size(defenses=NAMES, attacks=("swap", "typo", "insert"), examples=20, clean=100)
    return Board(tmp_path_factory.mktemp("board"), size)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return Board(tmp_path_factory.mktemp("small"), Size(datasets=("reviews",), examples=8, clean=20))


def test_the_same_evidence_gives_the_same_bytes(small: Board) -> None:
    first = plot_files(small.table, small.evidence, small.transfers)
    assert plot_files(small.table, small.evidence, small.transfers) == first
    assert first.keys() == known_files()
    for name, data in first.items():
        assert data.startswith(b"\x89PNG") if name.endswith(".png") else data.startswith(b"<?xml")
        assert b"<dc:date>" not in data
        assert b"matplotlib" not in data.lower().replace(b"matplotlib.axis", b"")


def test_own_settings_of_a_user_change_nothing(small: Board) -> None:
    import matplotlib

    expected = plot_files(small.table, small.evidence)["plots/clean-vs-worst.svg"]
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30, "text.usetex": False}):
        assert plot_files(small.table, small.evidence)["plots/clean-vs-worst.svg"] == expected
        assert matplotlib.rcParams["font.size"] == 30


def test_only_what_was_measured_is_drawn(small: Board) -> None:
    names = [picture.name for picture in pictures(small.table, small.evidence)]
    assert names == ["clean-vs-worst", "attack-by-defense", "budget-curves", "cost-vs-worst"]
    assert [p.name for p in pictures(small.table, small.evidence, small.transfers)] == [*names, "transfer"]
    empty = Table(small.table.suite, (), ())
    assert pictures(empty, Evidence((), {}, {})) == []


def figures(board: Board) -> dict[str, Any]:
    return {
        "accuracy": clean_against_worst(board.table),
        "cost": cost_against_worst(board.table),
        "curves": budget_curves(board.table, board.evidence),
        "heat": attack_by_defense(board.table),
        "transfer": transfer_matrix(board.table, board.evidence, board.transfers),
    }


def boxes_of(figure: Any) -> list[tuple[str, Any]]:
    """Every written text and the box it takes, in pixels."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    hidden = {id(label) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in _beyond(axis)}
    texts = figure.findobj(
        lambda artist: isinstance(artist, Text) and artist.get_visible() and artist.get_text().strip()
    )
    return [(text.get_text(), Text.get_window_extent(text, renderer)) for text in texts if id(text) not in hidden]


def _beyond(axis: Any) -> list[Any]:
    """Names of ticks outside the limits, which are not drawn."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [label for t in ticks if not low <= t.get_loc() <= high for label in (t.label1, t.label2)]


@pytest.mark.parametrize("name", ["accuracy", "cost", "curves", "heat", "transfer"])
def test_no_text_is_cut_off_or_written_over_another(board: Board, name: str) -> None:
    with styled():
        figure = figures(board)[name]
        found = boxes_of(figure)
        width, height = figure.canvas.get_width_height()
    assert len(found) > 10
    outside = [t for t, box in found if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1]
    assert outside == []
    # Slanted names of columns have boxes that overlap although the letters do not.
    level = [(t, box) for t, box in found if name not in ("heat", "transfer") or box.height < 30]
    clashes = [(a, b) for n, (a, one) in enumerate(level) for b, other in level[n + 1 :] if _clash(one, other)]
    assert clashes == []


def _clash(one: Any, other: Any) -> bool:
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return bool(wide > 2 and high > 2)


def test_every_defense_is_named_in_each_panel(board: Board) -> None:
    with styled():
        texts = [text.get_text() for axes in clean_against_worst(board.table).axes for text in axes.texts]
    assert all(texts.count(name) == 2 for name in NAMES)
    assert texts.count("Pareto front") == 2


def test_many_names_go_to_a_legend(tmp_path: Path) -> None:
    many = Board(
        tmp_path, Size(defenses=tuple(f"d{n:02}" for n in range(20)), datasets=("reviews",), examples=4, clean=8)
    )
    with styled():
        figure = clean_against_worst(many.table)
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == [f"d{n:02}" for n in range(20)]
        assert [text.get_text() for text in figure.axes[0].texts] == ["Pareto front"]


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(80, 10)], [(80, 10)]),
        ([(80, 10), (70, 20), (75, 15)], [(70, 20), (75, 15), (80, 10)]),
        ([(80, 10), (79, 10), (80, 9)], [(80, 10)]),
        ([(80, 10), (80, 10), (70, 5)], [(80, 10)]),
    ],
)
def test_pareto_front(points: Sequence[tuple[float, float]], front: Sequence[tuple[float, float]]) -> None:
    assert pareto(points) == front


def test_transfer_counts_only_what_the_reader_had_right(small: Board) -> None:
    counts = transfer_counts(small.table, small.evidence, small.transfers)
    texts = {key: [t for t in small.transfers if t.source == key] for key in {t.source for t in small.transfers}}
    for source, target in (("mlp", "mvp"), ("mvp", "mlp")):
        keys = [cell.key for cell in small.evidence.cells if cell.attack and cell.defense == source]
        mine = [t for key in keys for t in texts.get(key, [])]
        right = [t for t in mine if t.clean]
        assert counts["reviews", source, target] == (sum(t.fooled for t in right), len(right))
        assert len(right) < len(mine)


def test_seeds_are_drawn_as_their_mean_and_range() -> None:
    def one(*values: float | None) -> Curve:
        points = (CurvePoint(10, None if v is None else Proportion(v, v - 0.1, v + 0.1, 10), 0, 0) for v in values)
        return Curve("d", "m", "x", 0, "swap", 10, 0, tuple(points))

    (alone,) = merged([one(0.5)])
    assert (alone.value, alone.low, alone.high) == pytest.approx((50, 40, 60))
    (both,) = merged([one(0.5), one(0.7)])
    assert (both.value, both.low, both.high) == pytest.approx((60, 50, 70))
    assert merged([one(0.5), one(None)]) == []


def test_shades_differ_in_grey() -> None:
    """Printed without colour the darkest and the brightest are far apart, and the order is that of the names."""

    def grey(color: Any) -> float:
        return float(0.2126 * color[0] + 0.7152 * color[1] + 0.0722 * color[2])

    found = looks(NAMES)
    values = [grey(found[name].color) for name in sorted(NAMES)]
    assert values == sorted(values)
    assert values[-1] - values[0] > 0.35
    assert len({look.marker for look in found.values()}) == len(NAMES)
    assert (SHADES, BRIGHTEST < 0.7) == ("cividis", True)


def test_numbers_can_be_read_on_every_shade() -> None:
    """Contrast of at least 4 to 1 on each of the squares."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    def light(color: Any) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
        return float(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]) + 0.05

    for step in range(101):
        color = colormaps[SHADES](step / 100)
        pair = sorted((light(color), light(to_rgb(ink_on(color)))))
        assert pair[1] / pair[0] > 4


def test_limits_are_round_and_hold_the_values() -> None:
    assert interval_limits([74.8, 80.5]) == (70, 85)
    assert interval_limits([0.0, 1.0]) == (0.0, 10.0)
    low, high = interval_limits([97.0, 100.0])
    assert low == 95
    assert high >= 100


def test_signs_in_a_name_are_no_formula(tmp_path: Path) -> None:
    odd = Board(tmp_path, Size(defenses=("a$b$c", "x_1^2"), datasets=("re$v",), examples=4, clean=8))
    files = plot_files(odd.table, odd.evidence)
    assert files["plots/clean-vs-worst.png"].startswith(b"\x89PNG")


def test_pictures_have_their_size(small: Board) -> None:
    from PIL import Image

    files = plot_files(small.table, small.evidence)
    for name, data in files.items():
        if name.endswith(".png"):
            with Image.open(io.BytesIO(data)) as image:
                assert image.width > 500
