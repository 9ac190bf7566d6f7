"""What moved between two published pages, by how much, whether by more than chance allows, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import BadRecord
from benchmark.identity import digest
from benchmark.leaderboard.badges import standing
from benchmark.leaderboard.evidence import CELLS, read_cells
from benchmark.leaderboard.metrics import Proportion, overlap
from benchmark.leaderboard.publish import JSON, read_frozen
from benchmark.leaderboard.versions import assets_of, page_method, short, spec_changes
from benchmark.records import CellFile
from benchmark.suite import Suite

Place = tuple[str, str, str, int]


def diff(a: Path, b: Path) -> list[str]:
    """Differences from page ``a`` to page ``b``: conditions first, then rows, in words; empty when nothing moved."""
    lines = _conditions(read_frozen(a), read_frozen(b))
    methods = spec_changes(page_method(a / JSON), page_method(b / JSON))
    lines += [f"metric {path}: {short(old)} -> {short(new)}" for path, old, new in methods]
    cells = _cells(a), _cells(b)
    lines += _assets(*(table.values() for table in cells))
    before, after = _rows(a), _rows(b)
    for place in sorted(before.keys() | after.keys()):
        name = "{0}, {2} ({1}), seed {3}".format(*place)
        if place not in after:
            lines.append(f"{name}: gone")
        elif place not in before:
            lines.append(f"{name}: new")
        else:
            moves = _moves(before[place], after[place])
            changed = _standings(*(table.get(place, {}).values() for table in cells))
            moves += ["why: " + "; ".join(_why(*(table.get(place, {}) for table in cells)))] if moves else []
            lines += [f"{name}: {change}" for change in [*changed, *moves]]
    return lines


def _cells(page: Path) -> dict[Place, dict[str, CellFile]]:
    """The cells of each row, by attack (empty for the clean evaluation)."""
    rows: dict[Place, dict[str, CellFile]] = {}
    for cell in read_cells(page / CELLS):
        rows.setdefault((cell.dataset, cell.model, cell.defense, cell.seed), {})[cell.attack or ""] = cell
    return rows


def _assets(a: Iterable[Mapping[str, CellFile]], b: Iterable[Mapping[str, CellFile]]) -> list[str]:
    """Models, datasets and attacks of other digests: what can move every row at once."""
    old, new = ({k: v for row in side for cell in row.values() for k, v in assets_of(cell).items()} for side in (a, b))
    return [f"{name}: {short(old[name])} -> {short(new[name])}" for name in sorted(old.keys() & new.keys())
            if old[name] != new[name]]  # fmt: skip


def _why(a: Mapping[str, CellFile], b: Mapping[str, CellFile]) -> list[str]:
    """The fields of the specifications in which the cells of one row differ; samples by their digests."""
    reasons: dict[str, None] = {}
    for attack in sorted(a.keys() & b.keys()):
        for path, old, new in spec_changes(a[attack].spec, b[attack].spec):
            values = [digest(v)[:12] if path == "sample" and v else short(v) for v in (old, new)]
            reasons[f"{path.removeprefix('victim.')} {values[0]} -> {values[1]}"] = None
    for attack in sorted(a.keys() ^ b.keys()):
        reasons[
            f"{attack or 'the clean evaluation'} was {'measured in the first page only' if attack in a else 'added'}"
        ] = None
    return list(reasons) or ["every specification is the same: only the other rows, or the records, changed"]


def _standings(a: Iterable[CellFile], b: Iterable[CellFile]) -> list[str]:
    old, new = standing(a)[0], standing(b)[0]
    return [] if old is new else [f"{old.value} -> {new.value}"]


def _conditions(a: Suite, b: Suite) -> list[str]:
    """Parts of the suite that changed, with short digests, so that a moved number can be explained."""
    lines = []
    if (a.name, a.version) != (b.name, b.version):
        lines.append(f"suite: {a.name} v{a.version} -> {b.name} v{b.version}")
    for part in ("model", "attacks", "seeds"):
        old, new = getattr(a, part), getattr(b, part)
        if old != new:
            lines.append(f"{part}: {_words(old)} -> {_words(new)}")
    for part in ("contract", "training", "inference", "options"):
        old, new = a.model_dump(mode="json").get(part, {}), b.model_dump(mode="json").get(part, {})
        lines += [f"{part}.{key}: {_value(old, key)} -> {_value(new, key)}" for key in sorted(old.keys() | new.keys())
                  if old.get(key) != new.get(key)]  # fmt: skip
    for name in sorted(a.datasets.keys() | b.datasets.keys()):
        if name not in a.datasets or name not in b.datasets:
            lines.append(f"dataset {name}: {'gone' if name in a.datasets else 'new'}")
            continue
        old, new = a.datasets[name].model_dump(mode="json"), b.datasets[name].model_dump(mode="json")
        was, now = sorted(old.pop("sample")), sorted(new.pop("sample"))
        if was != now:
            kept = len(set(was) & set(now))
            lines.append(
                f"sample of {name}: {digest(was)[:12]} ({len(was)}) -> {digest(now)[:12]} ({len(now)}), {kept} kept"
            )
        lines += [f"dataset {name}.{key}: {_value(old, key)} -> {_value(new, key)}" for key in sorted(old)
                  if old[key] != new.get(key)]  # fmt: skip
    return lines


def _moves(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    moves = []
    if a["rank"] != b["rank"]:
        moves.append(f"rank {_rank(a)} -> {_rank(b)}")
    for key, name in (("worst_case_accuracy", "worst case"), ("clean_accuracy", "clean")):
        moves += _move(name, a[key], b[key])
    for attack in sorted(a["attacks"].keys() | b["attacks"].keys()):
        shares = [row["attacks"].get(attack, {}).get("accuracy_under_attack") for row in (a, b)]
        moves += _move(f"under {attack}", *shares)
    return moves


def _move(name: str, a: dict[str, Any] | None, b: dict[str, Any] | None) -> list[str]:
    if a == b:
        return []
    if a is None or b is None:
        return [f"{name} {_percent(a)} -> {_percent(b)}"]
    old, new = Proportion(**a), Proportion(**b)
    points = 100 * (new.value - old.value)
    verdict = "within the intervals" if overlap(old, new) else "beyond the intervals"
    return [f"{name} {_percent(a)} -> {_percent(b)} ({points:+.1f} points, {verdict}, n {old.n} and {new.n})"]


def _rows(page: Path) -> dict[Place, dict[str, Any]]:
    path = page / JSON
    try:
        rows = json.loads(path.read_bytes())["rows"]
        return {(row["dataset"], row["model"], row["defense"], row["seed"]): row for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BadRecord(f"{path} cannot be read ({problem!r})", "Give the folders of two published pages") from None


def _rank(row: dict[str, Any]) -> str:
    return "none" if row["rank"] is None else str(row["rank"])


def _percent(share: dict[str, Any] | None) -> str:
    return "not measured" if share is None else f"{100 * share['value']:.1f}%"


def _value(part: dict[str, Any], key: str) -> str:
    return json.dumps(part[key], sort_keys=True) if key in part else "(none)"


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value)) or "(none)"
