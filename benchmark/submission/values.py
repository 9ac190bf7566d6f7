"""Values that no run can have written: checked on every record, without the dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from benchmark.leaderboard.evidence import EvidenceRecord
from benchmark.records import CellFile, CleanRecord, Outcome
from benchmark.suite import Contract, Suite

SHA256_DIGITS = 64
NATIVE = "native"


class Rules:
    """What the records of one cell may hold."""

    def __init__(self, suite: Suite, cell: CellFile) -> None:
        victim = cell.spec["victim"]
        self.contract: Contract = suite.contract_for(cell.dataset)
        self.labels = len(victim["dataset"]["label_names"])
        self.randomised = bool(victim["defense"].get("randomised"))
        self.draws = suite.scrutiny.final_draws if self.randomised else None
        self.recalibrated = suite.scrutiny.recalibrate and not self.randomised

    def impossible(self, record: EvidenceRecord) -> Iterator[str]:
        """Every impossible value, in words."""
        yield from self._labels(record)
        yield from self._budget(record)
        yield from self._text(record)
        yield from self._draws(record)
        if record.outcome is Outcome.SKIPPED and (record.queries or record.edits is not None):
            yield "was skipped, but has queries or a text"
        if record.outcome in (Outcome.HELD, Outcome.EXHAUSTED) and record.adversarial_prediction not in (
            None,
            record.label,
        ):
            yield f"is {record.outcome.value}, but its text has another prediction than the label"
        if record.error is not None and record.outcome is not Outcome.ERROR:
            yield "has an error, but another outcome"
        if record.outcome is not Outcome.ERROR and not record.forwards:
            yield "was measured without a forward pass"
        if record.temperature is not None and not (
            self.recalibrated and record.outcome is Outcome.BROKEN and record.temperature > 0
        ):
            yield "has a temperature, which only a text found through a recalibrated victim has"

    def impossible_clean(self, record: CleanRecord) -> Iterator[str]:
        """The same for a clean prediction."""
        for name, value in (("label", record.label), ("prediction", record.prediction)):
            if not 0 <= value < self.labels:
                yield f"has {name} {value}, the dataset has labels 0 to {self.labels - 1}"

    def _labels(self, record: EvidenceRecord) -> Iterator[str]:
        found = {"label": record.label, "prediction": record.prediction}
        found["adversarial_prediction"] = record.adversarial_prediction
        for name, value in found.items():
            if value is not None and not 0 <= value < self.labels:
                yield f"has {name} {value}, the dataset has labels 0 to {self.labels - 1}"

    def _budget(self, record: EvidenceRecord) -> Iterator[str]:
        per_word = self.contract.queries_per_word
        if per_word is None:
            if record.outcome is Outcome.EXHAUSTED:
                yield "is exhausted, but the contract has no query budget"
        elif record.queries > per_word * max(1, record.words):
            yield f"has {record.queries} queries, its budget is {per_word * max(1, record.words)}"

    def _text(self, record: EvidenceRecord) -> Iterator[str]:
        measures = (record.edits, record.adversarial_sha256, record.perturbed_words, record.perturbed_share)
        given = record.adversarial_prediction is not None
        if any((value is not None) != given for value in measures):
            yield "has a prediction, edits, a hash and measures of an adversarial text that do not come together"
            return
        for digest in (record.text_sha256, record.adversarial_sha256):
            if digest is not None and not (len(digest) == SHA256_DIGITS and set(digest) <= set("0123456789abcdef")):
                yield "has a hash that is no sha256"
        clause = self.contract.similarity
        if (record.similarity is not None) != (given and clause is not None):
            yield "has a similarity without a text or a clause for it, or lacks one"
        if not given or record.perturbed_words is None or record.perturbed_share is None:
            if record.violations:
                yield "has violations without a text"
            return
        if record.text_sha256 == record.adversarial_sha256 or not record.edits:
            yield "has an adversarial text that is the original"
        position = 0
        for start, end, _ in record.edits or ():
            if not position <= start <= end:
                yield "has edits that overlap or are not in order"
            position = end
        if record.perturbed_words < 0 or record.perturbed_share != round(
            record.perturbed_words / max(1, record.words), 6
        ):
            yield f"changes {record.perturbed_words} of {record.words} words, which is not {record.perturbed_share}"
        lowest = 0.0 if clause is not None and clause.metric == "angular" else -1.0
        if record.similarity is not None and not lowest <= record.similarity <= 1:
            yield f"has similarity {record.similarity}, outside {lowest:g} to 1"
        yield from self._clauses(record)

    def _clauses(self, record: EvidenceRecord) -> Iterator[str]:
        """A broken example is within the contract; on the native track there is nothing to be within."""
        if self.contract.track.value == NATIVE:
            if record.violations:
                yield "has violations, though nothing binds on the native track"
            return
        if record.outcome is not Outcome.BROKEN or record.perturbed_words is None:
            return
        allowed = max(1, math.floor(self.contract.perturbed_words * record.words + 1e-9))
        if record.perturbed_words > allowed:
            yield f"is broken with {record.perturbed_words} words changed, {allowed} are allowed"
        clause = self.contract.similarity
        if clause is not None and record.similarity is not None and record.similarity < clause.minimum:
            yield f"is broken with similarity {record.similarity}, {clause.minimum} is the least"

    def _draws(self, record: EvidenceRecord) -> Iterator[str]:
        counts = (record.clean_wrong, record.final_wrong)
        if self.draws is None:
            if record.draws is not None or any(count is not None for count in counts):
                yield "has draws, but the victim is not randomised"
        elif record.draws != self.draws:
            yield f"has {record.draws} draws, the suite judges by {self.draws}"
        elif any(count is not None and not 0 <= count <= self.draws for count in counts):
            yield f"has more wrong draws than {self.draws}"
        elif record.outcome is not Outcome.ERROR and any(count is None for count in counts):
            yield "lacks the counts of wrong draws"


def usable(cell: CellFile) -> str | None:
    """Why a cell's specification lacks what the rules need, or None."""
    victim = cell.spec.get("victim")
    data = victim.get("dataset") if isinstance(victim, Mapping) else None
    defense = victim.get("defense") if isinstance(victim, Mapping) else None
    labels: Any = data.get("label_names") if isinstance(data, Mapping) else None
    if not isinstance(labels, list) or not labels or not isinstance(defense, Mapping):
        return "its specification does not say the labels and the defense"
    return None
