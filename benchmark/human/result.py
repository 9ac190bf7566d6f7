"""What people said: label preservation with its interval, by attack, against controls, and how far they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.human.records import AuditItem, AuditKey, AuditResult, Judged, Kind, Preserved
from benchmark.human.sheet import Votes
from benchmark.identity import digest
from benchmark.leaderboard.metrics import proportion
from benchmark.leaderboard.statistics import DECIMALS

AUDIT_DIGITS = 12


def evaluate(key: AuditKey, annotators: Sequence[Votes]) -> AuditResult:
    """The result of one audit. An item counts as preserved where most annotators gave its gold label, a tie does not.

    Items without any label are left out of the shares and counted.
    """
    judged = [_judge(key, item, annotators) for item in key.items]
    adversarial = [item for item in judged if item.kind is Kind.ADVERSARIAL]
    attacks = sorted({item.attack for item in adversarial if item.attack is not None})
    return AuditResult(
        suite=key.suite,
        suite_version=key.suite_version,
        audit=audit_id(key),
        annotators=len(annotators),
        adversarial=_share(adversarial),
        controls=_share([item for item in judged if item.kind is Kind.CONTROL]),
        by_attack={name: _share([item for item in adversarial if item.attack == name]) for name in attacks},
        agreement={dataset: _agreement(key, dataset, annotators) for dataset in sorted(key.labels)},
        unlabelled=sum(item.preserved is None for item in judged),
        items=tuple(judged),
    )


def audit_id(key: AuditKey) -> str:
    """A short name of the audit: a hash of its key."""
    return digest(key.model_dump(mode="json"))[:AUDIT_DIGITS]


def result_path(store_root: Path, key: AuditKey) -> Path:
    """Where the result of an audit lies; importing more sheets of the same audit replaces it."""
    return store_root / "audits" / f"{key.suite}-v{key.suite_version}-{audit_id(key)}.json"


def alpha(ratings: Sequence[Mapping[str, str]], labels: Sequence[str]) -> float | None:
    """Krippendorff's alpha, nominal, of one mapping item to label a rater; None where it is not defined.

    It needs two ratings of one item at least, and two labels in use: where everybody always says the same, agreement
    by chance is certain. (Krippendorff, Content Analysis, chapter on reliability; package ``krippendorff``.)
    """
    import krippendorff
    import numpy as np

    items = sorted({item for votes in ratings for item in votes})
    paired = [item for item in items if sum(item in votes for votes in ratings) > 1]
    if len({votes[item] for item in paired for votes in ratings if item in votes}) < 2:
        return None
    codes = {name: float(number) for number, name in enumerate(labels)}
    table = np.array([[codes[votes[i]] if i in votes else np.nan for i in paired] for votes in ratings])
    return round(float(krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")), DECIMALS)


def _agreement(key: AuditKey, dataset: str, annotators: Sequence[Votes]) -> float | None:
    """Alpha over the dataset's items: labels of several datasets in one table would look like agreement."""
    ours = {item.item for item in key.items if item.dataset == dataset}
    votes = [{item: label for item, label in given.items() if item in ours} for given in annotators]
    return alpha(votes, key.labels[dataset])


def _judge(key: AuditKey, item: AuditItem, annotators: Sequence[Votes]) -> Judged:
    votes = Counter(given[item.item] for given in annotators if item.item in given)
    gold = key.labels[item.dataset][item.label]
    first = votes.most_common(2)
    tie = len(first) > 1 and first[0][1] == first[1][1]
    majority = first[0][0] if first and not tie else None
    return Judged(
        **{
            field: getattr(item, field)
            for field in ("item", "kind", "dataset", "example_id", "cell", "defense", "attack")
        },
        gold=gold,
        votes=dict(sorted(votes.items())),
        majority=majority,
        preserved=majority == gold if votes else None,
    )


def _share(items: Sequence[Judged]) -> Preserved:
    labelled = [item.preserved for item in items if item.preserved is not None]
    found = proportion(sum(labelled), len(labelled))
    share, low, high = (found.value, found.low, found.high) if found else (None, None, None)
    return Preserved(preserved=sum(labelled), n=len(labelled), share=share, low=low, high=high)
