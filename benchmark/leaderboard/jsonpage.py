"""``leaderboard.json``: the table for machines. Sorted keys, no NaN, absent values are null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmark.identity import digest
from benchmark.leaderboard import metrics
from benchmark.leaderboard.evidence import json_bytes
from benchmark.leaderboard.metrics import Proportion
from benchmark.leaderboard.statistics import LEVEL, POWER, SIGNIFICANCE
from benchmark.leaderboard.statistics.bootstrap import Estimate
from benchmark.leaderboard.table import AttackResult, Entry, Overall, Pair, Row, Table

PAGE_SCHEMA_VERSION = 2


def json_page(table: Table, evidence: Mapping[str, str]) -> bytes:
    """The bytes of ``leaderboard.json``. ``evidence`` is the sha256 of every evidence file, by path below the page."""
    suite = table.suite
    return json_bytes(
        {
            "schema_version": PAGE_SCHEMA_VERSION,
            "suite": suite.name,
            "suite_version": suite.version,
            "title": suite.title,
            "attacks": list(suite.attacks),
            "contract": suite.contract.model_dump(mode="json"),
            "samples": {
                name: {"n": len(use.sample), "sha256": digest(sorted(use.sample))}
                for name, use in sorted(suite.datasets.items())
            },
            "method": method_json(),
            "overall": [overall_json(line, table) for line in table.overall],
            "entries": [entry_json(entry) for entry in table.entries],
            "pairs": [pair_json(pair) for pair in table.pairs],
            "detectable": {name: asdict(found) for name, found in (table.detectable or {}).items()},
            "rows": [row_json(row) for row in table.rows],
            "not_measured": [asdict(place) for place in table.not_measured],
            "evidence": dict(evidence),
        }
    )


def method_json() -> dict[str, Any]:
    """How the numbers of a page are computed; a change of it is another metric."""
    return {
        "level": LEVEL,
        "proportion": "wilson",
        "worst_case": "percentile bootstrap over examples",
        "over_seeds": "percentile bootstrap over examples, seeds by Student's t with pooled variance",
        "paired_test": "exact McNemar; over several seeds exact sign-flip and bootstrap over examples and seeds",
        "correction": "holm",
        "significance": SIGNIFICANCE,
        "rank": "1 + rows significantly above",
        "power": POWER,
        "error_limit": metrics.ERROR_LIMIT,
    }


def overall_json(line: Overall, table: Table) -> dict[str, Any]:
    """One defense over all datasets as plain data."""
    datasets = sorted({*table.suite.datasets, *(row.dataset for row in table.rows)})
    return {
        "model": line.model,
        "defense": line.defense,
        "seeds": line.seeds,
        "worst_case_accuracy": _share(line.worst_case),
        "clean_accuracy": _share(line.clean),
        "ranks": dict(zip(datasets, line.ranks, strict=True)),
        "forwards_per_prediction": line.forwards_per_prediction,
        "training_seconds": line.training_seconds,
        "badges": list(line.badges),
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """One defense on one dataset over its seeds as plain data."""
    return {
        "dataset": entry.dataset,
        "model": entry.model,
        "defense": entry.defense,
        "seeds": list(entry.seeds),
        "rank": entry.rank,
        "unranked_reason": entry.unranked_reason,
        "worst_case_accuracy": _share(entry.worst_case),
        "clean_accuracy": _share(entry.clean),
        "attacks": {name: _share(found) for name, found in entry.attacks.items()},
        "forwards_per_prediction": entry.forwards_per_prediction,
        "training_seconds": entry.training_seconds,
        "badges": list(entry.badges),
    }


def pair_json(pair: Pair) -> dict[str, Any]:
    """One tested pair as plain data."""
    return {
        "dataset": pair.dataset,
        "better": dict(zip(("model", "defense"), pair.better, strict=True)),
        "worse": dict(zip(("model", "defense"), pair.worse, strict=True)),
        "difference": _share(pair.difference),
        "p_exact": pair.p_exact,
        "p_value": pair.p_value,
        "p_adjusted": pair.p_adjusted,
        "discordance": pair.discordance,
        "separated": pair.separated,
    }


def row_json(row: Row) -> dict[str, Any]:
    """One row as plain data."""
    return {
        "suite": row.suite,
        "suite_version": row.suite_version,
        "dataset": row.dataset,
        "model": row.model,
        "model_revision": row.model_revision,
        "defense": row.defense,
        "seed": row.seed,
        "rank": row.rank,
        "unranked_reason": row.unranked_reason,
        "clean_accuracy": _share(row.clean),
        "worst_case_accuracy": _share(row.worst_case),
        "attacks": {name: _attack(result) for name, result in row.attacks.items()},
        "forwards_per_prediction": row.forwards_per_prediction,
        "training": None if row.training is None else dict(row.training),
        "plugins": dict(row.plugins),
        "badges": list(row.badges),
        "status": row.status,
        "external": row.external,
    }


def _attack(result: AttackResult) -> dict[str, Any]:
    return {
        "display": result.display,
        "accuracy_under_attack": _share(result.accuracy),
        "success_rate": asdict(result.success),
        "queries_mean": result.queries_mean,
        "forwards_mean": result.forwards_mean,
        "perturbed_share_mean": result.perturbed_share_mean,
        "similarity_mean": result.similarity_mean,
        "counts": {outcome.value: count for outcome, count in result.counts.items()},
        **_drawn(result),
    }


def _drawn(result: AttackResult) -> dict[str, Any]:
    """The two accuracies of a randomised victim; no key for others."""
    if result.expected is None:
        return {}
    return {"expected_accuracy": result.expected, "any_fail_accuracy": _share(result.any_fail)}


def _share(value: Proportion | Estimate | None) -> dict[str, Any] | None:
    return None if value is None else asdict(value)
