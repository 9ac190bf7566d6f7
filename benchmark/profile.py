"""Where the time of a cell goes, and how far it is from what its distinct tokens would take alone.

The cell runs in this process as it would in a worker, with stop watches around what it computes with, and nothing of it
is stored. A normal run has none of this.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.api import Classifier, ModelRole, Row, RowBatch, pad_rows
from benchmark.attacking import Execution, side_by_side
from benchmark.devices import arithmetic, batch_rows, place, work_clock
from benchmark.meter import Meter, Part
from benchmark.plan import CellPlan
from benchmark.records import ExampleRecord
from benchmark.registry import Registry
from benchmark.suite import Suite
from benchmark.worker import Workbench, one_thread, target_of

if TYPE_CHECKING:
    import torch

    from benchmark.suite import Precision

VICTIM, ENCODER, LANGUAGE_MODEL, SEARCH = "victim", "sentence encoder", "language model", "search"
RATE_ROWS, RATE_SECONDS = 32, 1.0
"""Rows of a batch, and seconds, by which the bare network's rate is measured."""


class Observer:
    """A :class:`benchmark.watch.Watch` that puts a meter around everything and counts what the network computes."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.forward: Callable[[RowBatch], Any] | None = None
        """The victim's bare network, unmetered."""
        self.device: torch.device | None = None
        self.pad_id = 0
        self.clear()

    def clear(self) -> None:
        """Forget what was counted."""
        self.batches = self.rows = self.tokens = self.computed = 0
        self.distinct: set[tuple[int, ...]] = set()
        """Token ids of the rows, each once."""

    def model(self, role: ModelRole, model: Any) -> None:
        if role is ModelRole.SENTENCE_ENCODER:
            self.meter.attach(ENCODER, model, "encode")
        elif role in (ModelRole.MASKED_LM, ModelRole.CAUSAL_LM):
            # Attacks ask the encoder and the head of a language model one by one, too.
            for module in (model.network, *model.network.children()):
                self.meter.attach(LANGUAGE_MODEL, module, "forward")

    def tool(self, part: str, tool: Any, methods: Sequence[str]) -> None:
        for method in methods:
            self.meter.attach(part, tool, method)

    def network(self, network: Any) -> None:
        self.forward, self.pad_id = network.forward, network.pad_id
        self.device = next(network.parameters()).device
        forward, unpadded = network.forward, getattr(network, "unpadded", None)

        def counted_forward(batch: RowBatch, *given: Any) -> Any:
            found = forward(batch, *given)
            kept = batch.attention.bool()
            ids = [row[own].tolist() for row, own in zip(batch.ids, kept, strict=True)]
            self._count(ids, batch.ids.numel())
            return found

        def counted_unpadded(rows: Sequence[Row]) -> Any:
            assert unpadded is not None
            found = unpadded(rows)
            if found is not None:
                self._count([row.ids for row in rows], sum(len(row.ids) for row in rows))
            return found

        network.forward = counted_forward
        if unpadded is not None:
            network.unpadded = counted_unpadded

    def _count(self, ids: Sequence[Sequence[int]], computed: int) -> None:
        self.batches += 1
        self.rows += len(ids)
        self.tokens += sum(map(len, ids))
        self.computed += computed
        self.distinct.update(map(tuple, ids))

    def rate(self, precision: Precision, clock: Callable[[], float]) -> float | None:
        """Tokens a second of the bare network on full batches of rows of the mean length seen; None without any."""
        import torch

        if self.forward is None or self.device is None or not self.distinct:
            return None
        length = max(1, round(self.tokens / self.rows))
        longest = max(self.distinct, key=len)
        ids = (longest * -(-length // len(longest)))[:length]
        batch = pad_rows([Row(ids)] * RATE_ROWS, self.pad_id).to(self.device)
        done, took = 0, 0.0
        with torch.inference_mode(), arithmetic(self.device, precision):
            self.forward(batch).float().cpu()  # the first one fetches what later ones find
            began = clock()
            while done == 0 or took < RATE_SECONDS:
                self.forward(batch).float().cpu()
                done, took = done + 1, clock() - began
        return done * RATE_ROWS * length / took


class MeteredVictim:
    """A classifier whose answers are on the account of the victim; anything else is the classifier's own."""

    def __init__(self, inner: Classifier, meter: Meter) -> None:
        self._inner, self._meter = inner, meter
        # One function each, for good: the broker merges questions to equal functions.
        for name in ("logits", "gradients"):
            if hasattr(inner, name):
                setattr(self, name, meter.around(VICTIM, getattr(inner, name)))
        if hasattr(inner, "redrawn"):
            self.redrawn = lambda draw: MeteredVictim(inner.redrawn(draw), meter)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass(frozen=True)
class Profile:
    """What one cell cost. Seconds of ``parts`` are by themselves and add up to ``work``."""

    cell: str
    key: str
    device: str
    precision: str
    concurrency: int
    examples: int
    outcomes: dict[str, int]
    wall: float
    """Seconds from the first example to the last."""
    work: float
    """Of these the seconds on a core, where the CPU computes: other programs on the machine do not change them. With
    another device all of them."""
    parts: dict[str, Part]
    queries: int
    """Logical queries of the attack."""
    texts: int
    """Texts that the victim was asked, after caches and merging; the harness's own checks among them."""
    batches: int
    rows: int
    tokens: int
    computed: int
    """Tokens with their padding."""
    distinct_tokens: int
    """Tokens of the rows, equal rows once."""
    batch_rows: int
    rate: float | None
    """Tokens a second of the bare network on full batches."""
    derived: dict[str, float | None] = field(init=False)
    """What follows from the figures above; None where the victim's network was not seen."""

    def __post_init__(self) -> None:
        victim = self.parts.get(VICTIM, Part()).seconds
        floor = self.distinct_tokens / self.rate if self.rate else None
        object.__setattr__(
            self,
            "derived",
            {
                "waiting_seconds": max(0.0, self.wall - self.work),
                "tokens_per_second": self.tokens / victim if victim and self.tokens else None,
                "padding_waste": 1 - self.tokens / self.computed if self.computed else None,
                "batch_fill": self.rows / (self.batches * self.batch_rows) if self.batches else None,
                "saved_by_caches": max(0.0, 1 - self.texts / self.queries) if self.queries else None,
                "floor_seconds": floor,
                "work_over_floor": self.work / floor if floor else None,
            },
        )


def profile(
    cell: CellPlan,
    suite: Suite,
    cache: Path,
    registry: Registry,
    execution: Execution,
    told: Callable[[str], None] = lambda text: None,
) -> Profile:
    """Run one attack cell in this process with one thread, as a worker does, and account for its time.

    Loading (and fitting, where there is no checkpoint yet) is over before the clock starts.
    """
    one_thread()
    _, clock = work_clock(place(execution.device, 0))
    meter = Meter(clock)
    observer = Observer(meter)
    bench = Workbench(suite, cache, registry, execution, watch=observer)
    told("loading the victim")
    victim = bench.victim(cell.victim, lambda share, text: told(text))
    told("building the attack")
    built = bench.attack(cell)
    target = target_of(
        victim._replace(classifier=MeteredVictim(victim.classifier, meter)), cell.spec.get("scrutiny", {}), bench.broker
    )
    dataset = cell.victim.dataset
    examples = bench.sources[dataset].attacked(bench.parts(dataset), cell.ids)
    meter.clear()
    observer.clear()
    told(f"attacking {len(examples)} examples")
    began, work_began = time.perf_counter(), clock()
    records = [record for _, record in side_by_side(built, target, examples, cell.key, execution.example_seconds)]
    wall, work = time.perf_counter() - began, clock() - work_began
    told("measuring the bare network")
    rate = observer.rate(suite.inference.precision, clock)
    return _summed(cell, bench, observer, records, wall, work, rate)


def _summed(
    cell: CellPlan,
    bench: Workbench,
    observer: Observer,
    records: Sequence[ExampleRecord],
    wall: float,
    work: float,
    rate: float | None,
) -> Profile:
    parts = dict(observer.meter.parts)
    texts = parts.get(VICTIM, Part()).items
    parts[SEARCH] = Part(work - sum(part.seconds for part in parts.values()), len(records), len(records))
    return Profile(
        cell="/".join((cell.victim.dataset, cell.victim.defense, str(cell.attack))),
        key=cell.key,
        device=bench.device,
        precision=bench.suite.inference.precision,
        concurrency=bench.execution.concurrency,
        examples=len(records),
        outcomes=dict(sorted(Counter(str(record.outcome) for record in records).items())),
        wall=wall,
        work=work,
        parts=parts,
        queries=sum(record.queries for record in records),
        texts=texts,
        batches=observer.batches,
        rows=observer.rows,
        tokens=observer.tokens,
        computed=observer.computed,
        distinct_tokens=sum(map(len, observer.distinct)),
        batch_rows=batch_rows(observer.device) if observer.device is not None else 0,
        rate=rate,
    )
