"""The view of ``index.html``: what each square of the table says, and the template around it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from benchmark.leaderboard.evidence import Evidence
from benchmark.leaderboard.html.legend import ATTACK_MEANING, BADGES, COLUMNS, OUTCOMES, TERMS, BadgeKind, Chip, chip_of
from benchmark.leaderboard.html.script import script_json
from benchmark.leaderboard.lines import Line, Share, lines_of
from benchmark.leaderboard.plots import pictures
from benchmark.leaderboard.prose import detectable_words, limits_section, method_section
from benchmark.leaderboard.table import Table
from benchmark.records import TransferRecord

if TYPE_CHECKING:
    from jinja2 import Template

NONE = "–"
ASCENDING, DESCENDING = "ascending", "descending"


@dataclass(frozen=True)
class Column:
    """``kind`` is text, number or share; ``first`` the order that the first click gives."""

    key: str
    label: str
    meaning: str
    kind: str
    first: str = ASCENDING


@dataclass(frozen=True)
class Square:
    """One value. ``sort`` is what it is ordered by (empty: always last), ``cells`` the seeds and keys behind it."""

    column: Column
    text: str
    sort: str
    share: Share | None = None
    cells: tuple[tuple[int, str], ...] = ()
    about: str = ""
    chips: tuple[Chip, ...] = ()


@dataclass(frozen=True)
class Drawn:
    """One row of the table."""

    line: Line
    squares: tuple[Square, ...]
    chips: tuple[Chip, ...]


def render_page(
    table: Table, evidence: Evidence, digests: Mapping[str, str], transfers: Sequence[TransferRecord] = ()
) -> bytes:
    """``index.html``. ``digests`` are printed, by what they are of; ``transfers`` decide whether there is a plot."""
    columns = _columns(table)
    keys = {(c.dataset, c.model, c.defense, c.seed, c.attack): c.key for c in evidence.cells}
    lines = [_line(line, columns, keys) for line in lines_of(table)]
    chips = {chip.kind for line in lines for chip in line.chips}
    datasets = sorted({*table.suite.datasets, *(row.dataset for row in table.rows)})
    style, theme, app = (_asset(name) for name in ("style.css", "theme.js", "app.js"))
    page = _template().render(
        table=table,
        suite=table.suite,
        columns=columns,
        several_seeds=any(column.key == "seeds" for column in columns),
        lines=lines,
        datasets=datasets,
        overall=table.overall if len(datasets) > 1 else (),
        detectable={name: detectable_words(found) for name, found in (table.detectable or {}).items() if found.n},
        kinds=sorted(chips),
        badges=_badges(lines),
        terms=TERMS,
        outcomes=OUTCOMES,
        outcome_data=script_json([[outcome.value, entry.short] for outcome, entry in OUTCOMES.items()]),
        attack_meaning=ATTACK_MEANING,
        attacked=sum(len(found) for found in evidence.attacked.values()),
        cells=len(evidence.attacked),
        pictures=pictures(table, evidence, transfers),
        notes=_html(table.suite.notes.strip().splitlines()),
        method=_html([*method_section(table.suite), *limits_section(table)]),
        digests=digests,
        style=style,
        theme=theme,
        app=app,
        policy=_policy(style, (theme, app)),
    )
    return page.encode()


def _columns(table: Table) -> list[Column]:
    def column(key: str, kind: str, first: str = ASCENDING) -> Column:
        return Column(key, COLUMNS[key].short, COLUMNS[key].meaning, kind, first)

    several_seeds = len({row.seed for row in table.rows}) > 1
    return [
        column("rank", "number"),
        column("defense", "text"),
        column("dataset", "text"),
        *([column("seeds", "text")] if several_seeds else []),
        column("worst", "share", DESCENDING),
        column("clean", "share", DESCENDING),
        *(Column(f"attack:{name}", name, ATTACK_MEANING, "share", DESCENDING) for name in table.suite.attacks),
        column("forwards", "number"),
        column("training", "number"),
        column("badges", "text"),
    ]


_Keys = dict[tuple[str, str, str, int, str | None], str]


def _line(line: Line, columns: Sequence[Column], keys: _Keys) -> Drawn:
    chips = tuple(chip_of(badge) for badge in line.badges)
    return Drawn(line, tuple(_square(line, column, chips, keys) for column in columns), chips)


def _square(line: Line, column: Column, chips: tuple[Chip, ...], keys: _Keys) -> Square:
    match column.key:
        case "rank":
            return _number(column, line.rank)
        case "defense":
            return Square(column, line.defense, line.defense)
        case "dataset":
            return Square(column, line.dataset, line.dataset)
        case "seeds":
            return Square(column, line.seeds, line.seeds)
        case "worst":
            return _share(column, line.worst_case)
        case "clean":
            return _share(column, line.clean)
        case "forwards":
            return _number(column, line.forwards)
        case "training":
            return _number(column, line.seconds)
        case "badges":
            return Square(column, "", " ".join(chip.short for chip in chips), chips=chips)
    return _attacked(line, column, keys)


def _attacked(line: Line, column: Column, keys: _Keys) -> Square:
    """Also a value that is not there opens what single seeds have."""
    attack = column.key.removeprefix("attack:")
    cells = tuple((row.seed, keys[(*row.place, attack)]) for row in line.rows if attack in row.attacks)
    about = f"{attack} against {line.defense} on {line.dataset}, seed {line.seeds}: show the examples"
    return _share(column, line.attacks.get(attack), cells, about)


def _share(column: Column, share: Share | None, cells: tuple[tuple[int, str], ...] = (), about: str = "") -> Square:
    if share is None:
        return Square(column, NONE, "", None, cells, f"not measured, {about}")
    return Square(column, f"{100 * share.value:.1f}", repr(share.value), share, cells, f"per cent, {about}")


def _number(column: Column, value: float | None) -> Square:
    return Square(column, NONE, "") if value is None else Square(column, f"{value:.0f}", repr(value))


def _badges(lines: Sequence[Drawn]) -> list[BadgeKind]:
    """The legend: every known kind, and what a row carries besides."""
    known = {kind.name for kind in BADGES}
    other = sorted({chip.kind for line in lines for chip in line.chips} - known)
    return [*BADGES, *(BadgeKind(name, "", name, "as it says.") for name in other)]


def _html(markdown: Sequence[str]) -> str:
    """Markdown of the suite and of the page's own prose. Raw HTML in it stays text; pictures are not loaded."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    # Safe: the reader escapes everything that it does not make itself.
    return Markup(reader.render("\n".join(markdown)))


def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["parts"] = _parts
    return environment.from_string(_asset("page.html.jinja"))


def _parts(defense: str) -> list[str]:
    """Where a name may be broken: after a ``+`` that joins two parts (``freelb++`` is one)."""
    return re.split(r"(?<=[^+]\+)(?=[^+])|(?<=\+\+\+)(?=[^+])", defense)


def _asset(name: str) -> str:
    return resources.files("benchmark.leaderboard.html").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, scripts: Sequence[str]) -> str:
    """No network, no inline handler, no markup from strings: only these styles and scripts and what lies beside."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src 'self' {' '.join(map(_hash, scripts))}",
            "img-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types details",
        ]
    )


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
