"""A page as typed data: rows and ranked entries of one suite, built from evidence. Rendering is elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmark.errors import BadRecord
from benchmark.leaderboard.entries import Detectable, Entry, Overall, Pair, Ranking, over_datasets, rank_dataset
from benchmark.leaderboard.evidence import Evidence
from benchmark.leaderboard.rows import AttackResult, Row, RowScores, build_row
from benchmark.leaderboard.selection import check_unique
from benchmark.records import CellFile
from benchmark.suite import Suite

__all__ = ["AttackResult", "Detectable", "Entry", "Environment", "NotMeasured", "Overall", "Pair", "Row", "Table"]


@dataclass(frozen=True)
class NotMeasured:
    """A row that the suite lists and no cell was published for."""

    dataset: str
    defense: str
    seed: int


@dataclass(frozen=True)
class Environment:
    """Versions that ``cells`` of the page were made with, as the run recorded them."""

    facts: Mapping[str, Any]
    cells: int


@dataclass(frozen=True)
class Table:
    """All of a page. Within a dataset: entries by rank, then by worst case; rows in the order of their entries.

    ``pairs`` and ``detectable`` are what the ranks of a dataset rest on; ``overall`` has one line a defense.
    """

    suite: Suite
    rows: tuple[Row, ...]
    not_measured: tuple[NotMeasured, ...]
    entries: tuple[Entry, ...] = ()
    overall: tuple[Overall, ...] = ()
    pairs: tuple[Pair, ...] = ()
    detectable: Mapping[str, Detectable] | None = None
    environments: tuple[Environment, ...] = ()

    def of(self, dataset: str) -> list[Row]:
        """The rows of one dataset, in order."""
        return [row for row in self.rows if row.dataset == dataset]

    def entries_of(self, dataset: str) -> list[Entry]:
        """The ranked entries of one dataset, in order."""
        return [entry for entry in self.entries if entry.dataset == dataset]

    def pairs_of(self, dataset: str) -> list[Pair]:
        """The tested pairs of one dataset."""
        return [pair for pair in self.pairs if pair.dataset == dataset]


def build_table(suite: Suite, evidence: Evidence) -> Table:
    """Rows and ranks of ``evidence`` under the frozen ``suite``.

    Raises BadRecord for cells that claim one place, and for a cell of a dataset that the suite does not have.
    """
    check_unique(evidence.cells)
    for cell in evidence.cells:
        if cell.dataset not in suite.datasets:
            raise BadRecord(
                f"cell {cell.key} is of dataset '{cell.dataset}', which suite '{suite.name}' does not have",
                "Restore the evidence from a copy, or leave the cell out",
            )
    groups: dict[tuple[str, str, str, int], list[CellFile]] = {}
    for cell in sorted(evidence.cells, key=lambda cell: cell.key):
        groups.setdefault((cell.dataset, cell.model, cell.defense, cell.seed), []).append(cell)
    scored = [build_row(suite, evidence, groups[place]) for place in sorted(groups)]
    rankings: dict[str, Ranking] = {}
    for dataset in sorted({place[0] for place in groups}):
        rankings[dataset] = rank_dataset(suite, dataset, [s for s in scored if s.row.dataset == dataset])
    measured = {(s.row.dataset, s.row.defense, s.row.seed) for s in scored}
    wanted = [(d, defense, seed) for d in sorted(suite.datasets) for defense in suite.defenses for seed in suite.seeds]
    return Table(
        suite=suite,
        rows=tuple(row for ranking in rankings.values() for row in _rows(ranking)),
        not_measured=tuple(NotMeasured(*place) for place in wanted if place not in measured),
        entries=tuple(entry for ranking in rankings.values() for entry in ranking.entries),
        overall=over_datasets(suite, rankings),
        pairs=tuple(pair for ranking in rankings.values() for pair in ranking.pairs),
        detectable={dataset: ranking.detectable for dataset, ranking in rankings.items()},
        environments=_environments(evidence),
    )


def _rows(ranking: Ranking) -> list[Row]:
    """The rows of a dataset, each with its entry's rank, and with its entry's reason where it has none of its own."""
    rows = []
    for entry in ranking.entries:
        found: tuple[RowScores, ...] = ranking.cells[entry.name]
        rows += [
            replace(s.row, rank=entry.rank, unranked_reason=s.row.unranked_reason or entry.unranked_reason)
            for s in found
        ]
    return rows


def _environments(evidence: Evidence) -> tuple[Environment, ...]:
    """Each recorded environment with its number of cells, the most frequent first."""
    found = Counter(
        json.dumps(cell.provenance["environment"], sort_keys=True)
        for cell in evidence.cells
        if isinstance(cell.provenance.get("environment"), dict)
    )
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Environment(json.loads(facts), count) for facts, count in ordered)
