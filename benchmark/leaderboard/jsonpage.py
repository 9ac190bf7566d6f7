"""``leaderboard.json``: the table for machines. Sorted keys, no NaN, absent values are null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmark.identity import digest
from benchmark.leaderboard import metrics
from benchmark.leaderboard.evidence import json_bytes
from benchmark.leaderboard.metrics import Proportion
from benchmark.leaderboard.table import AttackResult, Row, Table

PAGE_SCHEMA_VERSION = 1


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
            "method": {"interval": "wilson", "level": metrics.LEVEL, "error_limit": metrics.ERROR_LIMIT},
            "rows": [row_json(row) for row in table.rows],
            "not_measured": [asdict(place) for place in table.not_measured],
            "evidence": dict(evidence),
        }
    )


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


def _share(value: Proportion | None) -> dict[str, Any] | None:
    return None if value is None else asdict(value)
