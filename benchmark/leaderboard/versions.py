"""What a published version is frozen to, and what may be added to it.

A version is frozen to its suite (contract, training, sample ids, attacks, options), to the digests of models, encoders,
datasets and attacks, and to the metric. Cells may be added; a published cell stays as it is, but for its status.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import BadRecord, BenchError
from benchmark.identity import canonical
from benchmark.leaderboard.evidence import Evidence, EvidenceRecord
from benchmark.leaderboard.selection import coordinates, frozen_changes
from benchmark.records import CellFile, CleanRecord, dump
from benchmark.suite import Suite

NEW_VERSION = "A published version is frozen: raise the version in the suite file and run again"
SHOWN = 40
"""Most characters of a value in a message."""

Change = tuple[str, Any, Any]
"""Where two specifications differ, and the two values (None for an absent one)."""


class FrozenPage(BenchError):
    """A published page that the new one may not replace."""


def assets_of(cell: CellFile) -> dict[str, str]:
    """What a cell was measured with, by name: revisions of data and models, and the digests behind an attack.

    The version of the distribution that brought a part is no asset: a release that changes nothing starts no version.
    """
    victim = _table(cell.spec.get("victim"))
    data, model = _table(victim.get("dataset")), _table(victim.get("model"))
    encoder, attack = _table(cell.spec.get("encoder")), _table(cell.spec.get("attack"))
    found: dict[str, Any] = {
        f"dataset {cell.dataset}: {field}": data[field] for field in ("revision", "label_names") if field in data
    }
    for part in (model, encoder):
        if "revision" in part:
            found[f"model {part.get('name')}: revision"] = part["revision"]
    for field in ("version", "options", "parameters", "assets", "models"):
        if field in attack:
            found[f"attack {cell.attack}: {field}"] = attack[field]
    return {name: value if isinstance(value, str) else canonical(value) for name, value in found.items()}


def asset_conflicts(cells: Iterable[CellFile]) -> list[str]:
    """Assets of which two cells of one page used different ones."""
    first: dict[str, tuple[str, str]] = {}
    found = []
    for cell in sorted(cells, key=lambda cell: cell.key):
        for name, value in assets_of(cell).items():
            key, kept = first.setdefault(name, (cell.key, value))
            if kept != value:
                found.append(f"{name} is {short(value)} in cell {cell.key}, but {short(kept)} in cell {key}")
    return found


def spec_changes(old: Any, new: Any, path: str = "") -> Iterator[Change]:
    """Every leaf in which two specifications differ, in order; lists count as leaves unless they have one length."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from spec_changes(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and _tables(old) and _tables(new):
        for number, (a, b) in enumerate(zip(old, new, strict=True)):
            name = a.get("name", number) if a.get("name") == b.get("name") else number
            yield from spec_changes(a, b, f"{path}.{name}")
    elif old != new:
        yield path, old, new


def short(value: Any) -> str:
    """A value in a message: a digest by its first digits, anything long cut."""
    text = value if isinstance(value, str) else "none" if value is None else json.dumps(value, sort_keys=True)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def refuse_new_conditions(page: Path, old: Suite, new: Suite) -> None:
    """Raise FrozenPage where the suite of a page would change."""
    changed = frozen_changes(old, new)
    if changed:
        raise FrozenPage(f"{page} was published under another suite; changed: {', '.join(changed)}", NEW_VERSION)


def refuse_new_metric(page: Path, old: Any, new: Any) -> None:
    """Raise FrozenPage where the numbers of a page would be computed in another way (``method`` of its JSON)."""
    changed = [f"{path} {short(a)} -> {short(b)}" for path, a, b in spec_changes(old, new)]
    if changed:
        raise FrozenPage(f"{page} was published with another metric; changed: {', '.join(changed)}", NEW_VERSION)


def refuse_new_assets(page: Path, published: Iterable[CellFile], cells: Iterable[CellFile]) -> None:
    """Raise FrozenPage where new cells were measured with other assets than published ones."""
    kept = {name: value for cell in published for name, value in assets_of(cell).items()}
    for cell in cells:
        for name, value in assets_of(cell).items():
            if kept.get(name, value) != value:
                raise FrozenPage(
                    f"{page} was published with other assets; changed: {name}, {short(kept[name])} -> {short(value)}",
                    NEW_VERSION,
                )


def merged(page: Path, published: Evidence, fresh: Evidence) -> Evidence:
    """``published`` and the cells of ``fresh`` that it lacks; raises FrozenPage for a cell that would change.

    A cell that both have is the published one (its provenance too). A row may be completed with the cells it lacks.
    """
    places = {coordinates(cell): cell for cell in published.cells}
    new = [cell for cell in fresh.cells if coordinates(cell) not in places]
    for cell in fresh.cells:
        old = places.get(coordinates(cell))
        if old is not None:
            change = _change(old, published, cell, fresh)
            if change:
                raise FrozenPage(
                    f"{page}: the published cell {words(old)} would change: {change}",
                    "Rows are only ever added. Publish from the store that made the page, raise the version in the "
                    "suite file, or give the changed defense a name of its own",
                )
    refuse_new_assets(page, published.cells, new)
    keys = {cell.key for cell in new}
    return Evidence(
        cells=tuple(sorted((*published.cells, *new), key=lambda cell: cell.key)),
        attacked=_joined(published.attacked, fresh.attacked, keys),
        clean=_joined(published.clean, fresh.clean, keys),
    )


def words(cell: CellFile) -> str:
    """A cell in words: dataset, defense, attack, seed."""
    return f"({cell.dataset}, {cell.defense}, {cell.attack or 'clean evaluation'}, seed {cell.seed})"


def _change(old: CellFile, published: Evidence, new: CellFile, fresh: Evidence) -> str | None:
    if old.key != new.key:
        parts = [f"{path} {short(a)} -> {short(b)}" for path, a, b in spec_changes(old.spec, new.spec)]
        return "; ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
    before, after = _lines(published, old), _lines(fresh, new)
    differing = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    if differing:
        return f"{len(differing)} of its records differ, the first is example {differing[0]}"
    return None


def _lines(evidence: Evidence, cell: CellFile) -> dict[str, str]:
    found: Iterable[EvidenceRecord | CleanRecord]
    found = evidence.clean[cell.key] if cell.attack is None else evidence.attacked[cell.key]
    return {record.example_id: dump(record) for record in found}


def _joined(
    old: Mapping[str, tuple[Any, ...]], new: Mapping[str, tuple[Any, ...]], keys: set[str]
) -> dict[str, tuple[Any, ...]]:
    both = {**old, **{key: records for key, records in new.items() if key in keys}}
    return dict(sorted(both.items()))


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tables(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, Mapping) for value in values)


def page_method(path: Path) -> Any:
    """The ``method`` of a published ``leaderboard.json``; raises BadRecord."""
    try:
        return json.loads(path.read_bytes())["method"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as problem:
        raise BadRecord(f"{path} cannot be read ({problem!r})", "Restore it from a copy") from None
