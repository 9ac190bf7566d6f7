"""One row of a page: a defense fitted on one dataset with one seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.leaderboard import metrics
from benchmark.leaderboard.badges import badges_of, is_randomised, standing
from benchmark.leaderboard.evidence import Evidence, EvidenceRecord
from benchmark.leaderboard.metrics import Proportion, SuccessRate
from benchmark.records import CellFile, Outcome
from benchmark.suite import Suite

Right = Mapping[str, bool]
"""Example id to whether the row was right, or stayed right."""


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
    """One defense, fitted on one dataset with one seed. ``rank`` is that of its entry, which all its seeds share.

    ``clean``, ``worst_case`` and single ``attacks`` are absent (None, no key) where they were not measured; such a row
    has no rank and says why in ``unranked_reason``. ``status`` is run, claimed or verified.
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
    status: str = "run"
    external: bool = False

    @property
    def place(self) -> tuple[str, str, str, int]:
        """What tells rows apart: dataset, model, defense, seed."""
        return (self.dataset, self.model, self.defense, self.seed)


@dataclass(frozen=True)
class RowScores:
    """What the statistics over several seeds need of a row: right or not, example by example.

    ``worst`` is None where an attack is missing on an example; ``attacks`` holds those that cover the whole sample.
    """

    row: Row
    cells: tuple[CellFile, ...]
    clean: Right
    worst: Right | None
    attacks: Mapping[str, Right]


def build_row(suite: Suite, evidence: Evidence, cells: Sequence[CellFile]) -> RowScores:
    """The row that the cells of one victim make, without a rank yet."""
    first = cells[0]
    by_attack = {cell.attack: cell for cell in cells}
    records = {name: evidence.attacked[by_attack[name].key] for name in suite.attacks if name in by_attack}
    outcomes = {name: metrics.by_example(found) for name, found in records.items()}
    sample = suite.datasets[first.dataset].sample
    complete = sample and all(name in outcomes for name in suite.attacks)
    answers = evidence.clean[by_attack[None].key] if None in by_attack else ()
    clean = {record.example_id: record.prediction == record.label for record in answers}
    worst = metrics.worst_case(sample, outcomes) if complete else {}
    held = {example: bool(right) for example, right in worst.items() if right is not None}
    provenance = _provenance(cells)
    forwards = provenance.get("forwards_per_prediction")
    attacks = {n: _result(by_attack[n].attack_display or n, found) for n, found in records.items() if found}
    errors = sum(result.counts[Outcome.ERROR] for result in attacks.values())
    status, external = standing(cells)
    row = Row(
        suite=suite.name,
        suite_version=suite.version,
        dataset=first.dataset,
        model=first.model,
        defense=first.defense,
        seed=first.seed,
        clean=metrics.proportion(sum(clean.values()), len(clean)),
        worst_case=metrics.worst_case_accuracy(sample, outcomes) if complete else None,
        attacks=attacks,
        rank=None,
        unranked_reason="; ".join(_reasons(suite, first, bool(clean), records, sample)) or None,
        forwards_per_prediction=forwards if isinstance(forwards, int) else None,
        training=provenance.get("training"),
        model_revision=provenance.get("model_revision"),
        plugins=dict(sorted(provenance.get("plugins", {}).items())),
        badges=badges_of(cells, forwards, errors, len(suite.seeds)),
        status=status.value,
        external=external,
    )
    robust = {name: {i: outcome in metrics.ROBUST for i, outcome in found.items()} for name, found in outcomes.items()}
    whole = {name: found for name, found in robust.items() if sample and found.keys() >= set(sample)}
    return RowScores(row, tuple(cells), clean, held if worst and len(held) == len(worst) else None, whole)


def _reasons(
    suite: Suite,
    cell: CellFile,
    clean: bool,
    records: Mapping[str, Sequence[EvidenceRecord]],
    sample: Sequence[str],
) -> list[str]:
    """Why the row has no rank, in words; empty for one that has."""
    reasons = [] if clean else ["the clean accuracy was not measured"]
    for name in suite.attacks:
        reasons += _holes(name, records.get(name), sample)
    if not suite.attacks:
        reasons.append("the suite has no attack")
    if is_randomised(cell):
        reasons.append("its predictions are drawn at random: it stands in the randomised track")
    return reasons


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
