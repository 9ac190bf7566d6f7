"""Attacks in a worker: the latest one that was built, and its examples side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.api import AttackRun, Example, Task
from benchmark.frozen import Gate
from benchmark.registry import Registry
from benchmark.resources import BenchResources
from benchmark.suite import Suite
from benchmark.validate import Validator
from benchmark.window import Window, read_characters

if TYPE_CHECKING:
    from benchmark.evaluate import Target
    from benchmark.records import ExampleRecord


class Execution(NamedTuple):
    """How a worker attacks; no part of what a cell is, because records do not depend on it."""

    concurrency: int = 16
    """Examples side by side."""
    example_seconds: float | None = 600.0
    """The most that an attack may run on one example by itself, without waiting for answers; None for no limit."""
    device: str = "auto"
    """Where networks compute, see ``benchmark.devices``."""


class Built(NamedTuple):
    """An attack as it was built for one dataset, and the contract it is held to."""

    key: str
    run: AttackRun
    validator: Validator
    gate: Gate


class Armoury:
    """Builds attacks, and keeps the latest one."""

    def __init__(self, suite: Suite, registry: Registry, resources: BenchResources) -> None:
        self._suite, self._registry, self._resources = suite, registry, resources
        self._latest: Built | None = None

    def built(self, name: str, options: Mapping[str, Any], task: Task) -> Built:
        """The attack ``name`` for the dataset of ``task``, and the validator of the suite's contract for it."""
        from benchmark.options import parse

        key = f"{name}/{task.dataset}"
        if self._latest is None or self._latest.key != key:
            validator = self.validator(task.dataset)
            gate = Gate(validator)
            item = self._registry.get("attack", name).item
            values = parse(item.options, options, f"attack '{name}'")
            self._latest = Built(key, item.build(values, self._resources, gate, task), validator, gate)
        return self._latest

    def validator(self, dataset: str) -> Validator:
        """The suite's contract for one dataset, with what its clauses need."""
        contract = self._suite.contract_for(dataset)
        clause = contract.similarity
        return Validator(
            contract,
            self._resources.model(clause.encoder) if clause else None,
            self._resources.model(contract.lexicon) if contract.lexicon else None,
            self._window() if contract.forbid_truncation else None,
        )

    def _window(self) -> Window:
        """How much of a text the suite's model reads; a template makes it a little less."""
        tokenizer = self._resources.model(self._suite.model).tokenizer
        return read_characters(tokenizer, self._suite.training.max_length)


def side_by_side(
    built: Built, target: Target, examples: Sequence[Example], cell: str, seconds: float | None
) -> Iterator[tuple[Example, ExampleRecord]]:
    """Attack the examples through the target's broker; each comes back with its record as it ends."""
    from benchmark.evaluate import attack_example

    def attacked(example: Example) -> Callable[[], ExampleRecord]:
        return partial(attack_example, built.run, target, built.validator, example, cell, built.gate)

    for ended in target.broker.run(map(attacked, examples), seconds):
        if ended.value is None:
            assert ended.error is not None
            raise ended.error
        yield examples[ended.number], ended.value
