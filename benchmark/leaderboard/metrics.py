"""Every number of a page, as pure functions over outcomes.

Rules that no caller may soften:

* robust = ``held``, ``invalid`` or ``exhausted``. ``skipped`` (wrong already) and ``error`` never are.
* a success rate is broken / attacked, attacked = not skipped; None (not 0) when nothing could be attacked.
* an example that every attack so far left robust has no worst case while an attack is missing; one that is wrong
  under any attack is wrong in the worst case, whatever is missing. Nothing is averaged around a hole.

Shares are in 0..1 and rounded to six decimals, so that a page is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmark.errors import BadRecord
from benchmark.leaderboard.statistics import DECIMALS, LEVEL
from benchmark.records import Outcome

ERROR_LIMIT = 0.01
"""Largest share of errors in a ranked cell (DESIGN: a cell above 1 % errors is not ranked)."""
ROBUST = frozenset({Outcome.HELD, Outcome.INVALID, Outcome.EXHAUSTED})


class Scored(Protocol):
    """What the metrics read of a record; local and published records both have it."""

    @property
    def example_id(self) -> str: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def queries(self) -> int: ...
    @property
    def forwards(self) -> int: ...
    @property
    def perturbed_share(self) -> float | None: ...
    @property
    def similarity(self) -> float | None: ...


class Drawn(Protocol):
    """What is read of a record of a randomised victim."""

    @property
    def outcome(self) -> Outcome: ...
    @property
    def draws(self) -> int | None: ...
    @property
    def final_wrong(self) -> int | None: ...


@dataclass(frozen=True)
class Proportion:
    """A share of ``n`` examples with its 95 % interval: Wilson's, or the bootstrap's for a worst case."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class SuccessRate:
    """``broken / attacked``; ``value`` is None when no example could be attacked."""

    value: float | None
    broken: int
    attacked: int


def proportion(count: int, n: int) -> Proportion | None:
    """``count`` of ``n`` with the Wilson score interval (Wilson 1927); None for an empty sample."""
    if n == 0:
        return None
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(count, n, alpha=1 - LEVEL, method="wilson")
    low, high = (_round(min(1.0, max(0.0, float(bound)))) for bound in (low, high))
    return Proportion(_round(count / n), low, high, n)


def proportions(counts: Sequence[int], n: int) -> list[Proportion | None]:
    """:func:`proportion` of each count, with one call of the library."""
    if n == 0 or not counts:
        return [None] * len(counts)
    import numpy as np
    from statsmodels.stats.proportion import proportion_confint

    lows, highs = proportion_confint(np.array(counts), n, alpha=1 - LEVEL, method="wilson")
    sides = ([_round(min(1.0, max(0.0, float(bound)))) for bound in side] for side in (lows, highs))
    return [Proportion(_round(k / n), low, high, n) for k, low, high in zip(counts, *sides, strict=True)]


def outcome_counts(records: Iterable[Scored]) -> dict[Outcome, int]:
    """How often each outcome occurred; all six keys, in the order of :class:`Outcome`."""
    counts = dict.fromkeys(Outcome, 0)
    for record in records:
        counts[record.outcome] += 1
    return counts


def accuracy_under_attack(records: Sequence[Scored]) -> Proportion | None:
    """Share of all examples (skipped and errors included) that stay right under one attack."""
    return proportion(sum(record.outcome in ROBUST for record in records), len(records))


def expected_accuracy(records: Sequence[Drawn]) -> float | None:
    """Of a randomised victim: mean share of draws that are right on the final text; an error counts as none of them.

    None where records without an error have no draws: a deterministic victim.
    """
    shares = _right_draws(records)
    return mean(shares) if shares else None


def any_fail_accuracy(records: Sequence[Drawn]) -> Proportion | None:
    """Share of examples whose final text is read rightly in every draw; None as in :func:`expected_accuracy`."""
    shares = _right_draws(records)
    return proportion(sum(share == 1.0 for share in shares), len(shares))


def _right_draws(records: Sequence[Drawn]) -> list[float]:
    """The share of right draws of each record; empty for a deterministic victim."""
    shares = []
    for record in records:
        if record.outcome is Outcome.ERROR:
            shares.append(0.0)
        elif record.draws is None or record.final_wrong is None:
            return []
        else:
            shares.append(1 - record.final_wrong / record.draws)
    return shares if any(record.draws is not None for record in records) else []


def success_rate(records: Sequence[Scored]) -> SuccessRate:
    """Share of the attacked examples that were broken, with both counts."""
    broken, attacked = sum(record.outcome is Outcome.BROKEN for record in records), len(_attacked(records))
    return SuccessRate(_round(broken / attacked) if attacked else None, broken, attacked)


def error_share(records: Sequence[Scored]) -> float:
    """Share of examples that ended in an error; 0.0 for no examples."""
    errors = sum(record.outcome is Outcome.ERROR for record in records)
    return errors / len(records) if records else 0.0


def queries_mean(records: Sequence[Scored]) -> float | None:
    """Mean logical queries over attacked examples."""
    return mean([record.queries for record in _attacked(records)])


def forwards_mean(records: Sequence[Scored]) -> float | None:
    """Mean rows that an example's distinct texts need, over attacked examples."""
    return mean([record.forwards for record in _attacked(records)])


def perturbed_share_mean(records: Sequence[Scored]) -> float | None:
    """Mean share of changed words over broken examples."""
    return mean([r.perturbed_share for r in _broken(records) if r.perturbed_share is not None])


def similarity_mean(records: Sequence[Scored]) -> float | None:
    """Mean similarity to the original over broken examples that have one."""
    return mean([r.similarity for r in _broken(records) if r.similarity is not None])


def by_example(records: Iterable[Scored]) -> dict[str, Outcome]:
    """Outcome of every example id; raises BadRecord for an id that occurs twice."""
    outcomes: dict[str, Outcome] = {}
    for record in records:
        if record.example_id in outcomes:
            raise BadRecord(f"example {record.example_id} has two records in one cell", "Remove one of them")
        outcomes[record.example_id] = record.outcome
    return outcomes


def worst_case(sample: Sequence[str], attacks: Mapping[str, Mapping[str, Outcome]]) -> dict[str, bool | None]:
    """Whether each sampled example is robust under every attack; None where that hangs on an outcome that is missing.

    ``attacks`` maps an attack's name to the outcome of each example. Without attacks everything is None.
    """
    result: dict[str, bool | None] = {}
    for example in sample:
        outcomes = [found.get(example) for found in attacks.values()]
        if any(outcome is not None and outcome not in ROBUST for outcome in outcomes):
            result[example] = False
        else:
            result[example] = None if not outcomes or None in outcomes else True
    return result


def worst_case_accuracy(sample: Sequence[str], attacks: Mapping[str, Mapping[str, Outcome]]) -> Proportion | None:
    """Share of the sample that is robust under every attack, with its bootstrap interval over examples.

    None as soon as one example has no worst case.
    """
    found = worst_case(sample, attacks).values()
    if not found or None in found:
        return None
    import numpy as np

    from benchmark.leaderboard.statistics.bootstrap import estimate, share

    bounds = estimate(share(np.array([[value is True for value in found]])))
    return Proportion(bounds.value, bounds.low, bounds.high, bounds.n)


def overlap(a: Proportion, b: Proportion) -> bool:
    """Whether two intervals share a point."""
    return a.low <= b.high and b.low <= a.high


def mean(values: Sequence[float]) -> float | None:
    """Arithmetic mean, independent of the order of the values; None for none."""
    return _round(math.fsum(values) / len(values)) if values else None


def _attacked(records: Sequence[Scored]) -> list[Scored]:
    return [record for record in records if record.outcome is not Outcome.SKIPPED]


def _broken(records: Sequence[Scored]) -> list[Scored]:
    return [record for record in records if record.outcome is Outcome.BROKEN]


def _round(value: float) -> float:
    return round(value, DECIMALS)
