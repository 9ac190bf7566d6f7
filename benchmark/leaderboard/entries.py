"""The ranked lines of a page: a defense on one dataset over all its seeds, and over all datasets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from benchmark.leaderboard.badges import badges_of
from benchmark.leaderboard.metrics import proportion
from benchmark.leaderboard.rows import Right, RowScores
from benchmark.leaderboard.statistics import DECIMALS, SIGNIFICANCE
from benchmark.leaderboard.statistics.bootstrap import Estimate, Resampled, difference, estimate, estimates, mean, share
from benchmark.leaderboard.statistics.power import INDEPENDENT, detectable_difference
from benchmark.leaderboard.statistics.seeds import pooled
from benchmark.leaderboard.statistics.significance import holm, ranks, separation
from benchmark.records import Outcome
from benchmark.suite import Suite

if TYPE_CHECKING:
    from benchmark.leaderboard.statistics.seeds import Scores

Name = tuple[str, str]
"""model and defense."""


@dataclass(frozen=True)
class Entry:
    """A defense on one dataset over its seeds. Estimates are None (no key) unless every seed of the suite has them.

    ``seeds`` are the measured ones, ``training_seconds`` the mean over them (None where their clocks differ).
    """

    dataset: str
    model: str
    defense: str
    seeds: tuple[int, ...]
    worst_case: Estimate | None
    clean: Estimate | None
    attacks: Mapping[str, Estimate]
    rank: int | None
    unranked_reason: str | None
    forwards_per_prediction: int | None
    training_seconds: float | None
    badges: tuple[str, ...]

    @property
    def name(self) -> Name:
        """Model and defense."""
        return (self.model, self.defense)


@dataclass(frozen=True)
class Pair:
    """Two ranked entries of a dataset, ``better`` first by value. ``difference`` is better minus worse.

    ``p_exact`` is the paired test's of the models as trained, ``p_value`` also allows for other seeds, ``p_adjusted``
    is that corrected (Holm) over all pairs of the dataset. ``discordance`` is the mean squared difference of the two on
    an example, with one seed the share of examples that they disagree on.
    """

    dataset: str
    better: Name
    worse: Name
    difference: Estimate
    p_exact: float
    p_value: float
    p_adjusted: float
    discordance: float

    @property
    def separated(self) -> bool:
        """Whether the corrected test tells the two apart."""
        return self.p_adjusted < SIGNIFICANCE


@dataclass(frozen=True)
class Detectable:
    """Smallest detectable difference of a dataset: of one pair, and at the first step of Holm over all ``pairs``."""

    n: int
    discordance: float
    observed: bool
    single: float
    corrected: float
    pairs: int


@dataclass(frozen=True)
class Overall:
    """A defense over all datasets of the suite: unweighted means, None unless it is ranked on each of them.

    ``ranks`` are by dataset, in their order; None where it has none.
    """

    model: str
    defense: str
    seeds: int
    worst_case: Estimate | None
    clean: Estimate | None
    ranks: tuple[int | None, ...]
    forwards_per_prediction: int | None
    training_seconds: float | None
    badges: tuple[str, ...]


@dataclass(frozen=True)
class Ranking:
    """The entries of one dataset in order of rank, the pairs behind the ranks, and the resamples for the means."""

    entries: tuple[Entry, ...]
    pairs: tuple[Pair, ...]
    detectable: Detectable
    resampled: Mapping[Name, tuple[Resampled, Resampled]]
    cells: Mapping[Name, tuple[RowScores, ...]]


def rank_dataset(suite: Suite, dataset: str, rows: Sequence[RowScores]) -> Ranking:
    """Entries, tests and ranks of one dataset from the rows of all its defenses and seeds."""
    groups: dict[Name, tuple[RowScores, ...]] = {}
    for scored in sorted(rows, key=lambda s: s.row.seed):
        name = (scored.row.model, scored.row.defense)
        groups[name] = (*groups.get(name, ()), scored)
    names = sorted(groups)
    whole = {name: _whole(suite, groups[name]) for name in names}
    worst = _tables((name, [s.worst for s in groups[name]]) for name in names if whole[name])
    clean = _tables((name, [s.clean for s in groups[name]]) for name in names if whole[name])
    attacks = {
        attack: _tables((name, [s.attacks.get(attack) for s in groups[name]]) for name in names if whole[name])
        for attack in suite.attacks
    }
    found = {name: _reason(suite, groups[name], name in clean) for name in names}
    ranked = [name for name in names if found[name] is None]
    pairs = _pairs(dataset, ranked, worst)
    places = _ranks(ranked, pairs)
    worst_of, clean_of = _estimates(worst), _shares(clean)
    by_attack = {attack: _shares(tables) for attack, tables in attacks.items()}
    entries = [
        Entry(
            dataset=dataset,
            model=name[0],
            defense=name[1],
            seeds=tuple(s.row.seed for s in groups[name]),
            worst_case=worst_of.get(name),
            clean=clean_of.get(name),
            attacks={attack: given[name] for attack, given in by_attack.items() if name in given},
            rank=places.get(name),
            unranked_reason=found[name],
            **_facts(suite, groups[name]),
        )
        for name in names
    ]
    resampled = {
        name: (share(worst[name], pooled(list(worst.values()))), share(clean[name], pooled(list(clean.values()))))
        for name in ranked
    }
    detectable = _detectable(len(suite.datasets[dataset].sample), pairs)
    return Ranking(tuple(sorted(entries, key=_order)), pairs, detectable, resampled, groups)


def over_datasets(suite: Suite, rankings: Mapping[str, Ranking]) -> tuple[Overall, ...]:
    """One line a defense over all datasets of the suite, complete ones first, by mean worst case."""
    datasets = sorted({*suite.datasets, *rankings})
    entries = {(e.name, dataset): e for dataset, ranking in rankings.items() for e in ranking.entries}
    lines = []
    for name in sorted({name for name, _ in entries}):
        found = [entries.get((name, dataset)) for dataset in datasets]
        complete = all(entry is not None and entry.rank is not None for entry in found)
        parts = [rankings[dataset].resampled[name] for dataset in datasets] if complete else []
        rows = [row for dataset in datasets if dataset in rankings for row in rankings[dataset].cells.get(name, ())]
        lines.append(
            Overall(
                model=name[0],
                defense=name[1],
                seeds=min(len(entry.seeds) if entry else 0 for entry in found),
                worst_case=mean([worst for worst, _ in parts]) if parts else None,
                clean=mean([clean for _, clean in parts]) if parts else None,
                ranks=tuple(entry.rank if entry else None for entry in found),
                **_facts(suite, rows),
            )
        )
    return tuple(
        sorted(lines, key=lambda o: (o.worst_case is None, *_falling(o.worst_case, o.clean), o.defense, o.model))
    )


def _whole(suite: Suite, rows: Sequence[RowScores]) -> bool:
    """Whether every seed of the suite has a row."""
    return {scored.row.seed for scored in rows} >= set(suite.seeds)


def _tables(rows: Iterable[tuple[Name, list[Right | None]]]) -> dict[Name, Scores]:
    """Seeds by examples, examples in order of their ids; only of entries whose seeds have the same examples."""
    import numpy as np

    tables = {}
    for name, seeds in rows:
        given = [right for right in seeds if right]
        if given and len(given) == len(seeds) and all(right.keys() == given[0].keys() for right in given):
            ids = sorted(given[0])
            tables[name] = np.array([[right[i] for i in ids] for right in given], dtype=bool)
    return tables


def _estimates(tables: Mapping[Name, Scores]) -> dict[Name, Estimate]:
    return dict(zip(tables, estimates(list(tables.values())), strict=True))


def _shares(tables: Mapping[Name, Scores]) -> dict[Name, Estimate]:
    """Clean accuracy and accuracy under one attack: with one seed a plain proportion, as in the row."""
    found = _estimates(tables)
    for name, table in tables.items():
        if table.shape[0] == 1:
            plain = proportion(int(table.sum()), table.shape[1])
            assert plain is not None, "a table has examples"
            found[name] = Estimate(plain.value, plain.low, plain.high, plain.n, 1)
    return found


def _reason(suite: Suite, rows: Sequence[RowScores], clean: bool) -> str | None:
    """Why an entry has no rank: what its rows lack, and seeds without a row."""
    several = len(suite.seeds) > 1
    found = []
    for scored in rows:
        if scored.row.unranked_reason:
            found.append(f"seed {scored.row.seed}: " * several + scored.row.unranked_reason)
    missing = sorted(set(suite.seeds) - {scored.row.seed for scored in rows})
    found += [f"seed {seed} was not measured" for seed in missing]
    if not found and not clean:
        found.append("its seeds were not measured on the same clean examples")
    return "; ".join(found) or None


def _pairs(dataset: str, names: Sequence[Name], worst: Mapping[Name, Scores]) -> tuple[Pair, ...]:
    variance = pooled([worst[name] for name in names])
    found = []
    for one, other in combinations(names, 2):
        better, worse = (one, other) if worst[one].sum() >= worst[other].sum() else (other, one)
        gained = worst[better].sum(axis=0).astype(int) - worst[worse].sum(axis=0).astype(int)
        gap = estimate(difference(worst[worse], worst[better], variance))
        discordance = float((gained**2).mean()) / worst[better].shape[0] ** 2
        found.append((better, worse, gap, *separation(worst[worse], worst[better], variance), discordance))
    adjusted = holm([p for *_, p, _ in found])
    return tuple(
        Pair(dataset, better, worse, gap, _round(exact), _round(p), _round(q), _round(discordance))
        for (better, worse, gap, exact, p, discordance), q in zip(found, adjusted, strict=True)
    )


def _ranks(names: Sequence[Name], pairs: Sequence[Pair]) -> dict[Name, int]:
    place = {name: index for index, name in enumerate(names)}
    found = ranks(len(names), {(place[p.better], place[p.worse]): p.p_adjusted for p in pairs})
    return dict(zip(names, found, strict=True))


def _detectable(n: int, pairs: Sequence[Pair]) -> Detectable:
    """With the median discordance of the pairs; without a discordant pair, that of independent rows near one half."""
    seen = sorted(pair.discordance for pair in pairs)
    observed = seen[len(seen) // 2] if seen else 0.0
    discordance = observed or INDEPENDENT
    if n == 0:
        return Detectable(0, discordance, observed > 0, 1.0, 1.0, len(pairs))
    single = detectable_difference(n, discordance)
    corrected = detectable_difference(n, discordance, SIGNIFICANCE / max(1, len(pairs)))
    return Detectable(n, discordance, observed > 0, _round(single), _round(corrected), len(pairs))


def _facts(suite: Suite, rows: Sequence[RowScores]) -> dict[str, Any]:
    """Forwards, training time and badges over several rows of one defense."""
    forwards = max((s.row.forwards_per_prediction or 0 for s in rows), default=0) or None
    trained = [s.row.training for s in rows if s.row.training and "seconds" in s.row.training]
    seconds = [training["seconds"] for training in trained]
    same_clock = len({training.get("clock", "wall") for training in trained}) == 1
    errors = sum(result.counts[Outcome.ERROR] for s in rows for result in s.row.attacks.values())
    cells = [cell for scored in rows for cell in scored.cells]
    return {
        "forwards_per_prediction": forwards,
        "training_seconds": round(sum(seconds) / len(seconds), 1) if same_clock else None,
        "badges": badges_of(cells, forwards, errors, len(suite.seeds)),
    }


def _order(entry: Entry) -> tuple[bool, int, float, float, str, str]:
    return (entry.rank is None, entry.rank or 0, *_falling(entry.worst_case, entry.clean), entry.defense, entry.model)


def _falling(worst: Estimate | None, clean: Estimate | None) -> tuple[float, float]:
    return (-(worst.value if worst else -1.0), -(clean.value if clean else -1.0))


def _round(value: float) -> float:
    return round(value, DECIMALS)
