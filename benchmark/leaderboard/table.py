"""A page as typed data: rows of one suite, built from evidence. Rendering is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmark.calibration import is_miscalibrated
from benchmark.leaderboard import metrics
from benchmark.leaderboard.evidence import Evidence, EvidenceRecord
from benchmark.leaderboard.metrics import Proportion, SuccessRate
from benchmark.leaderboard.selection import check_unique
from benchmark.records import CellFile, Outcome
from benchmark.suite import Suite

STANDARD = "standard attacks only"


@dataclass(frozen=True)
class AttackResult:
    """One row under one attack. Means are None where they are taken over no example."""

    display: str
    accuracy: Proportion
    success: SuccessRate
    queries_mean: float | None
    forwards_mean: float | None
    perturbed_share_mean: float | None
    similarity_mean: float | None
    counts: Mapping[Outcome, int]
    expected: float | None = None
    """Randomised victims only: mean share of draws that are right on the final text."""
    any_fail: Proportion | None = None
    """Randomised victims only: examples that are right in every draw."""


@dataclass(frozen=True)
class Row:
    """One defense, fitted on one dataset with one seed. ``rank`` is among the rows of the dataset.

    ``clean``, ``worst_case`` and single ``attacks`` are absent (None, no key) where they were not measured; such a row
    has no rank and says why in ``unranked_reason``.
    """

    suite: str
    suite_version: int
    dataset: str
    model: str
    defense: str
    seed: int
    clean: Proportion | None
    worst_case: Proportion | None
    attacks: Mapping[str, AttackResult]
    rank: int | None
    unranked_reason: str | None
    forwards_per_prediction: int | None
    training: Mapping[str, Any] | None
    model_revision: str | None
    plugins: Mapping[str, str]
    badges: tuple[str, ...]

    @property
    def place(self) -> tuple[str, str, str, int]:
        """What tells rows apart: dataset, model, defense, seed."""
        return (self.dataset, self.model, self.defense, self.seed)


@dataclass(frozen=True)
class NotMeasured:
    """A row that the suite lists and no cell was published for."""

    dataset: str
    defense: str
    seed: int


@dataclass(frozen=True)
class Table:
    """All rows of a page. Within a dataset: ranked rows first, then by worst case, defense and seed."""

    suite: Suite
    rows: tuple[Row, ...]
    not_measured: tuple[NotMeasured, ...]

    def of(self, dataset: str) -> list[Row]:
        """The rows of one dataset, in order."""
        return [row for row in self.rows if row.dataset == dataset]


def build_table(suite: Suite, evidence: Evidence) -> Table:
    """Rows and ranks of ``evidence`` under the frozen ``suite``; raises BadRecord for cells that claim one place."""
    check_unique(evidence.cells)
    groups: dict[tuple[str, str, str, int], list[CellFile]] = {}
    for cell in sorted(evidence.cells, key=lambda cell: cell.key):
        groups.setdefault((cell.dataset, cell.model, cell.defense, cell.seed), []).append(cell)
    rows: list[Row] = []
    for dataset in sorted({place[0] for place in groups}):
        rows += _ranked([_row(suite, evidence, groups[place]) for place in sorted(groups) if place[0] == dataset])
    measured = {(row.dataset, row.defense, row.seed) for row in rows}
    wanted = [(d, defense, seed) for d in sorted(suite.datasets) for defense in suite.defenses for seed in suite.seeds]
    return Table(suite, tuple(rows), tuple(NotMeasured(*place) for place in wanted if place not in measured))


def _row(suite: Suite, evidence: Evidence, cells: Sequence[CellFile]) -> Row:
    first = cells[0]
    by_attack = {cell.attack: cell for cell in cells}
    records = {name: evidence.attacked[by_attack[name].key] for name in suite.attacks if name in by_attack}
    outcomes = {name: metrics.by_example(found) for name, found in records.items()}
    sample = suite.datasets[first.dataset].sample if first.dataset in suite.datasets else ()
    complete = sample and all(name in outcomes for name in suite.attacks)
    clean = _clean(evidence, by_attack.get(None))
    worst = metrics.worst_case_accuracy(sample, outcomes) if complete else None
    reasons = ["the clean accuracy was not measured"] if clean is None else []
    for name in suite.attacks:
        reasons += _holes(name, records.get(name), sample)
    if not suite.attacks:
        reasons.append("the suite has no attack")
    if _defense(first).get("randomised"):
        reasons.append("its predictions are drawn at random: it stands in the randomised track")
    provenance = _provenance(cells)
    forwards = provenance.get("forwards_per_prediction")
    attacks = {n: _result(by_attack[n].attack_display or n, found) for n, found in records.items() if found}
    return Row(
        suite=suite.name,
        suite_version=suite.version,
        dataset=first.dataset,
        model=first.model,
        defense=first.defense,
        seed=first.seed,
        clean=clean,
        worst_case=worst,
        attacks=attacks,
        rank=None,
        unranked_reason="; ".join(reasons) or None,
        forwards_per_prediction=forwards if isinstance(forwards, int) else None,
        training=provenance.get("training"),
        model_revision=provenance.get("model_revision"),
        plugins=dict(sorted(provenance.get("plugins", {}).items())),
        badges=_badges(suite, forwards, attacks, provenance.get("probe")),
    )


def _defense(cell: CellFile) -> dict[str, Any]:
    """What the cell's identity says of the defense."""
    victim = cell.spec.get("victim", {})
    found = victim.get("defense", {}) if isinstance(victim, dict) else {}
    return found if isinstance(found, dict) else {}


def _result(display: str, records: Sequence[EvidenceRecord]) -> AttackResult:
    accuracy = metrics.accuracy_under_attack(records)
    assert accuracy is not None, "no result is made of no records"
    return AttackResult(
        display=display,
        accuracy=accuracy,
        success=metrics.success_rate(records),
        queries_mean=metrics.queries_mean(records),
        forwards_mean=metrics.forwards_mean(records),
        perturbed_share_mean=metrics.perturbed_share_mean(records),
        similarity_mean=metrics.similarity_mean(records),
        counts=metrics.outcome_counts(records),
        expected=metrics.expected_accuracy(records),
        any_fail=metrics.any_fail_accuracy(records),
    )


def _clean(evidence: Evidence, cell: CellFile | None) -> Proportion | None:
    if cell is None:
        return None
    found = evidence.clean[cell.key]
    return metrics.proportion(sum(record.prediction == record.label for record in found), len(found))


def _holes(attack: str, records: Sequence[EvidenceRecord] | None, sample: Sequence[str]) -> list[str]:
    """Why this attack's cell keeps the row from being ranked."""
    if not records:
        return [f"{attack} was not measured"]
    found = []
    missing = len(set(sample) - {record.example_id for record in records})
    if missing or not sample:
        found.append(f"{attack} lacks {missing} of {len(sample)} examples")
    share = metrics.error_share(records)
    if share > metrics.ERROR_LIMIT:
        found.append(f"{attack}: {share:.1%} of the examples ended in an error (limit {metrics.ERROR_LIMIT:.0%})")
    return found


def _ranked(rows: list[Row]) -> list[Row]:
    """The rows of one dataset with ranks, in page order."""
    ranks = metrics.ranks([None if row.unranked_reason else row.worst_case for row in rows])
    placed = [replace(row, rank=rank) for row, rank in zip(rows, ranks, strict=True)]
    return sorted(placed, key=_order)


def _order(row: Row) -> tuple[bool, float, float, str, str, int]:
    worst = row.worst_case.value if row.worst_case else -1.0
    return (row.rank is None, -worst, -(row.clean.value if row.clean else -1.0), row.defense, row.model, row.seed)


def _provenance(cells: Sequence[CellFile]) -> dict[str, Any]:
    """Provenance of a row: the clean evaluation's, completed by the attack cells'; plugins of all of them."""
    merged: dict[str, Any] = {}
    plugins: dict[str, str] = {}
    for cell in sorted(cells, key=lambda cell: cell.attack or ""):
        for key, value in cell.provenance.items():
            if value is not None and value != {}:
                merged.setdefault(key, value)
        found = cell.provenance.get("plugins")
        plugins |= found if isinstance(found, dict) else {}
    return {**merged, "plugins": plugins}


def _badges(suite: Suite, forwards: object, attacks: Mapping[str, AttackResult], probe: object) -> tuple[str, ...]:
    """Short warnings for the reader; every one follows from the evidence."""
    badges = [STANDARD]
    if isinstance(forwards, int) and forwards > 1:
        badges.append(f"{forwards} forward passes per prediction")
    errors = sum(result.counts[Outcome.ERROR] for result in attacks.values())
    if errors:
        badges.append(f"{errors} error{'s' if errors > 1 else ''}")
    if isinstance(probe, Mapping) and is_miscalibrated(probe):
        badges.append(f"miscalibrated (calibration error {probe['calibration_error']:.2f})")
    if len(suite.seeds) == 1:
        badges.append("single seed")
    return tuple(badges)
