"""Whether evidence agrees with itself and with its frozen suite. ``publish`` and ``check`` both ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from benchmark.identity import cell_key
from benchmark.leaderboard.evidence import Evidence, EvidenceRecord
from benchmark.leaderboard.selection import coordinates, differences
from benchmark.leaderboard.versions import asset_conflicts
from benchmark.records import CellFile, Outcome
from benchmark.suite import Suite


def audit(suite: Suite, evidence: Evidence) -> list[str]:
    """Every contradiction, in words; empty for sound evidence."""
    problems: list[str] = []
    places = Counter(coordinates(cell) for cell in evidence.cells)
    problems += [f"{count} cells claim the place {place}" for place, count in sorted(places.items()) if count > 1]
    keys = Counter(cell.key for cell in evidence.cells)
    problems += [f"cell {key} is listed {count} times" for key, count in sorted(keys.items()) if count > 1]
    problems += asset_conflicts(evidence.cells)
    labels: dict[tuple[str, str], int] = {}
    for cell in evidence.cells:
        where = f"cell {cell.key} ({cell.dataset}, {cell.defense}, {cell.attack or 'clean'}, seed {cell.seed})"
        problems += [f"{where}: {problem}" for problem in _cell(suite, cell)]
        if cell.attack is None:
            clean = evidence.clean[cell.key]
            problems += [f"{where}: {p}" for p in _ids([r.example_id for r in clean], None)]
            labelled = [(r.example_id, r.label) for r in clean]
        else:
            found = evidence.attacked[cell.key]
            expected = suite.datasets[cell.dataset].sample if cell.dataset in suite.datasets else ()
            problems += [f"{where}: {p}" for p in _ids([r.example_id for r in found], expected)]
            problems += [f"{where}, example {r.example_id}: {p}" for r in found for p in _record(r)]
            labelled = [(r.example_id, r.label) for r in found]
        for example, label in labelled:
            if labels.setdefault((cell.dataset, example), label) != label:
                problems.append(f"{where}, example {example}: another cell has another label for it")
    return problems


def _cell(suite: Suite, cell: CellFile) -> Iterable[str]:
    if cell_key(cell.spec) != cell.key:
        yield f"the key does not belong to the specification, whose key is {cell_key(cell.spec)}"
    if (cell.suite, cell.suite_version) != (suite.name, suite.version):
        yield f"it belongs to suite {cell.suite} version {cell.suite_version}"
    yield from differences(suite, cell)
    yield from _names(cell)


def _names(cell: CellFile) -> Iterable[str]:
    """The names of a cell file against its specification, where that has them: a renamed row is a forged row."""
    victim = cell.spec.get("victim")
    places = {
        "attack": (cell.spec.get("attack"), cell.attack),
        "dataset": (victim.get("dataset") if isinstance(victim, dict) else None, cell.dataset),
        "defense": (victim.get("defense") if isinstance(victim, dict) else None, cell.defense),
        "model": (victim.get("model") if isinstance(victim, dict) else None, cell.model),
    }
    for what, (part, name) in places.items():
        if isinstance(part, dict) and "name" in part and part["name"] != name:
            yield f"its {what} is '{name}', the specification says '{part['name']}'"
    if isinstance(victim, dict) and victim.get("seed", cell.seed) != cell.seed:
        yield f"its seed is {cell.seed}, the specification says {victim['seed']}"


def _ids(found: Sequence[str], expected: Sequence[str] | None) -> Iterable[str]:
    """Missing, doubled and foreign example ids; with ``expected`` None any id may occur."""
    doubled = sorted(example for example, count in Counter(found).items() if count > 1)
    yield from _listed("doubled", doubled)
    if expected is not None:
        yield from _listed("missing", sorted(set(expected) - set(found)))
        yield from _listed("foreign", sorted(set(found) - set(expected)))
    elif not found:
        yield "no records"


def _listed(what: str, examples: Sequence[str]) -> Iterable[str]:
    if examples:
        more = ", ..." if len(examples) > 3 else ""
        yield f"{len(examples)} {what} example{'s' if len(examples) > 1 else ''}: {', '.join(examples[:3])}{more}"


def _record(record: EvidenceRecord) -> Iterable[str]:
    """The outcome must follow from the rest of the record."""
    right = record.prediction == record.label
    flipped = record.adversarial_prediction is not None and record.adversarial_prediction != record.label
    if record.outcome is Outcome.ERROR:
        if record.error is None:
            yield "the outcome is error, but no error is recorded"
        return
    if record.prediction is None:
        yield f"the outcome is {record.outcome.value}, but there is no clean prediction"
    elif (record.outcome is Outcome.SKIPPED) == right:
        yield f"the outcome is {record.outcome.value}, but the clean prediction is {'right' if right else 'wrong'}"
    if record.outcome in (Outcome.BROKEN, Outcome.INVALID):
        if not flipped or record.edits is None:
            yield f"the outcome is {record.outcome.value}, but no text with another prediction is recorded"
        if (record.outcome is Outcome.INVALID) != bool(record.violations):
            yield f"the outcome is {record.outcome.value}, but the violations are {list(record.violations)}"
    if (record.edits is None) != (record.adversarial_sha256 is None):
        yield "edits and the hash of the adversarial text do not belong together"
