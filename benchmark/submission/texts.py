"""Every submitted text against the dataset and the contract: rebuilt, hashed, measured and judged again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.api import Example
from benchmark.errors import BadRecord
from benchmark.leaderboard.evidence import Evidence, EvidenceRecord, rebuild_texts
from benchmark.leaderboard.versions import words
from benchmark.records import CellFile, CleanRecord, Outcome
from benchmark.submission.limits import shown
from benchmark.validate import Verdict, words_of

SIMILARITY_GAP = 1e-3
"""Most that a similarity may differ from ours: encoders round differently on other processors."""

Judge = Callable[[str, str], Verdict]
"""Original and adversarial text to the contract's verdict."""


@dataclass(frozen=True)
class Truth:
    """One dataset as it is installed here: test examples by id, ids of the clean evaluation, and the contract."""

    examples: Mapping[str, Example]
    clean_ids: Sequence[str]
    judge: Judge
    minimum: float | None
    """Least similarity of the contract, or None."""


def false_texts(cell: CellFile, evidence: Evidence, truth: Truth) -> Iterator[str]:
    """What the dataset and the contract say against the records of one cell."""
    if cell.attack is None:
        yield from _false_clean(cell, evidence.clean[cell.key], truth)
        return
    for record in evidence.attacked[cell.key]:
        where = f"{words(cell)}, example {shown(record.example_id)}"
        yield from (f"{where} {fault}" for fault in _faults(record, truth))


def _faults(record: EvidenceRecord, truth: Truth) -> Iterator[str]:
    example = truth.examples.get(record.example_id)
    if example is None:
        yield "is no example of the dataset's test part"
        return
    if example.label != record.label:
        yield f"has label {record.label}, the dataset says {example.label}"
    if len(words_of(example.text)) != record.words:
        yield f"has {record.words} words, the dataset's text has {len(words_of(example.text))}"
    try:
        found = rebuild_texts([record], [example])[0]
    except BadRecord as problem:
        yield "is not what the dataset gives: " + shown(problem.message.partition(": ")[2])
        return
    if found.adversarial_text is None:
        return
    verdict = truth.judge(found.text, found.adversarial_text)
    if verdict.perturbed_words != record.perturbed_words:
        yield f"has {record.perturbed_words} words changed, the contract counts {verdict.perturbed_words}"
    if abs((verdict.similarity or 0.0) - (record.similarity or 0.0)) > SIMILARITY_GAP:
        yield f"has similarity {record.similarity}, the encoder says {verdict.similarity}"
    judged = record.outcome in (Outcome.BROKEN, Outcome.INVALID) and not _on_the_edge(record, truth)
    if judged and bool(verdict.violations) != bool(record.violations):
        said = "; ".join(verdict.violations) or "nothing"
        yield f"is {record.outcome.value}, but the contract finds: {shown(said)}"


def _on_the_edge(record: EvidenceRecord, truth: Truth) -> bool:
    """Whether rounding decides if the text is similar enough."""
    if truth.minimum is None or record.similarity is None:
        return False
    return abs(record.similarity - truth.minimum) <= SIMILARITY_GAP


def _false_clean(cell: CellFile, records: Sequence[CleanRecord], truth: Truth) -> Iterator[str]:
    found = {record.example_id: record for record in records}
    missing, foreign = sorted(set(truth.clean_ids) - found.keys()), sorted(found.keys() - set(truth.clean_ids))
    if missing:
        yield f"{words(cell)} lacks {len(missing)} examples of the test part, such as {missing[0]}"
    if foreign:
        yield f"{words(cell)} has {len(foreign)} unknown examples, such as {shown(foreign[0])}"
    for name in sorted(found.keys() & truth.examples.keys()):
        if found[name].label != truth.examples[name].label:
            yield f"{words(cell)}, example {name} has label {found[name].label}, the dataset says another"
