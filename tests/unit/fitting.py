"""What tests of fitting share: a context without assets, a toy task, and a training of one objective."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from benchmark.api import Example, FitContext, NoOptions, Objective, ObjectiveContext, ObjectiveRun, Task
from benchmark.fit.loop import TrainingLog, train
from benchmark.fit.victim import start
from benchmark.suite import Training

TASK = Task("toy", ("negative", "positive"), 24)


def toy(number: int, seed: int) -> list[Example]:
    """Texts whose label is which of two words they hold, among noise."""
    rng = random.Random(seed)
    noise = ("the", "a", "film", "plot", "movie", "story", "with", "and", "about", "some")
    made = []
    for index in range(number):
        words = [rng.choice(noise) for _ in range(rng.randint(3, 8))]
        words[rng.randrange(len(words))] = ("ugly", "sweet")[index % 2]
        made.append(Example(f"{seed}-{index}", " ".join(words), index % 2))
    return made


def fit_context(
    train: Sequence[Example] = (),
    validation: Sequence[Example] = (),
    seed: int = 0,
    task: Task = TASK,
    base: Any = None,
    **others: Any,
) -> FitContext:
    """A context whose resources and adversary are absent unless given."""
    silent: Callable[[float, str], None] = lambda share, text: None  # noqa: E731
    given: dict[str, Any] = {"progress": silent, "resources": None, "adversary": None, **others}
    return FitContext(base, task, train, validation, seed, **given)


def begin(objective: Objective, options: Any = None) -> Callable[[ObjectiveContext], ObjectiveRun]:
    """What the loop is given to start ``objective``."""
    chosen = objective.options() if options is None else options
    return lambda context: start(objective, context, chosen)


def simple(backward: Any) -> Callable[[ObjectiveContext], ObjectiveRun]:
    """The same for a bare ``backward(network, batch, options, generator)``."""
    return begin(Objective("test", backward), NoOptions())


def train_on(
    network: Any,
    start_run: Any,
    train_rows: Sequence[Example],
    validation: Sequence[Example],
    training: Training,
    seed: int,
    edit: Any = None,
) -> TrainingLog:
    """One training of ``network``."""
    return train(network, start_run, fit_context(train_rows, validation, seed), training, edit)
