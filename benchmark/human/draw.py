"""Which texts people are asked about: drawn by hash, so the same store and seed give the same audit anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmark.errors import BenchError
from benchmark.human.records import AuditItem, AuditKey, Kind
from benchmark.human.sheet import fingerprint
from benchmark.identity import digest
from benchmark.records import CellFile, ExampleRecord, Outcome

CONTROLS = 0.2
"""Share of unchanged texts among the items."""
ID_DIGITS = 12


class Drawn(NamedTuple):
    """One item and its text."""

    item: AuditItem
    text: str


class _Candidate(NamedTuple):
    cell: CellFile
    record: ExampleRecord
    text: str
    kind: Kind

    @property
    def example(self) -> tuple[str, str]:
        return (self.cell.dataset, self.record.example_id)


def draw(
    attacked: Iterable[tuple[CellFile, Sequence[ExampleRecord]]], n: int, seed: int = 0, controls: float = CONTROLS
) -> list[Drawn]:
    """At most ``n`` texts: broken ones, evenly over datasets and attacks, and a share of unchanged ones.

    An example gives one item at most, so items are independent and nobody reads two versions of a sentence. A store
    with fewer than ``n`` examples gives fewer items; a stratum with too few successes is filled up from the others.
    The order is that of the (opaque) item names within a dataset, the datasets one after the other. Raises BenchError
    when nothing was broken.
    """
    pairs = [(cell, record) for cell, records in attacked if cell.attack for record in records]
    broken: dict[tuple[str, ...], list[_Candidate]] = {}
    originals: dict[tuple[str, ...], dict[tuple[str, str], _Candidate]] = {}
    for cell, record in sorted(pairs, key=lambda pair: (pair[0].key, pair[1].example_id)):
        if record.outcome is Outcome.BROKEN and record.adversarial_text is not None:
            found = _Candidate(cell, record, record.adversarial_text, Kind.ADVERSARIAL)
            broken.setdefault((cell.dataset, str(cell.attack)), []).append(found)
        untouched = _Candidate(cell, record, record.text, Kind.CONTROL)
        originals.setdefault((cell.dataset,), {}).setdefault(untouched.example, untouched)
    if not broken:
        raise BenchError("no attack of this suite broke an example, so there is nothing to audit", "Run more attacks")
    total = min(n, sum(len(found) for found in originals.values()))
    successes = {candidate.example for found in broken.values() for candidate in found}
    wanted = min(len(successes), max(1, total - round(total * controls)))
    used: set[tuple[str, str]] = set()
    texts: set[str] = set()
    chosen = _round_robin(broken, wanted, seed, used, texts)
    # Where successes are few the controls keep their share instead of filling the sheet.
    rest = min(total - len(chosen), round(len(chosen) * controls / (1 - controls)))
    chosen += _round_robin({k: list(v.values()) for k, v in originals.items()}, rest, seed, used, texts)
    return sorted((_item(candidate, seed) for candidate in chosen), key=lambda d: (d.item.dataset, d.item.item))


def make_key(
    suite: str, version: int, seed: int, labels: Mapping[str, Sequence[str]], drawn: Sequence[Drawn]
) -> AuditKey:
    """The key of the drawn items, with the label names of their datasets."""
    datasets = sorted({found.item.dataset for found in drawn})
    return AuditKey(
        suite=suite,
        suite_version=version,
        draw_seed=seed,
        labels={name: tuple(labels[name]) for name in datasets},
        items=tuple(found.item for found in drawn),
    )


def _round_robin(
    strata: Mapping[tuple[str, ...], Sequence[_Candidate]],
    number: int,
    seed: int,
    used: set[tuple[str, str]],
    texts: set[str],
) -> list[_Candidate]:
    """``number`` candidates, one of each stratum in turn; ``used`` examples and ``texts`` are passed over."""
    queues = [iter(sorted(strata[name], key=lambda c: _hash(c, seed))) for name in sorted(strata)]
    chosen: list[_Candidate] = []
    while queues and len(chosen) < number:
        for queue in list(queues):
            if len(chosen) == number:
                break
            fresh = next((c for c in queue if c.example not in used and c.text not in texts), None)
            if fresh is None:
                queues.remove(queue)
                continue
            used.add(fresh.example)
            texts.add(fresh.text)
            chosen.append(fresh)
    return chosen


def _hash(candidate: _Candidate, seed: int) -> str:
    # A control is the same text in every cell: its cell must not decide whether it is drawn.
    cell = candidate.cell.key if candidate.kind is Kind.ADVERSARIAL else ""
    return digest(["audit", seed, candidate.kind, cell, *candidate.example])


def _item(candidate: _Candidate, seed: int) -> Drawn:
    cell, record = candidate.cell, candidate.record
    # The letter in front keeps a spreadsheet from reading a name such as 12e45 as a number.
    name = "t" + digest(["item", _hash(candidate, seed)])[:ID_DIGITS]
    item = AuditItem(
        item=name,
        kind=candidate.kind,
        dataset=cell.dataset,
        example_id=record.example_id,
        label=record.label,
        cell=cell.key,
        defense=cell.defense,
        attack=cell.attack if candidate.kind is Kind.ADVERSARIAL else None,
        seed=cell.seed,
        fingerprint=fingerprint(candidate.text),
    )
    return Drawn(item, candidate.text)
