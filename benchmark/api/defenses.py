"""The parts of a defense: heads, objectives, wrappers, complete defenses; and the classifier they end in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from benchmark.api.base import Capability, NoOptions, Options
from benchmark.api.data import Example, Resources
from benchmark.api.models import MaskedLanguageModel
from benchmark.api.rows import TrainingBatch

if TYPE_CHECKING:
    import random

    import numpy as np
    import torch
    from numpy.typing import NDArray


class Task(NamedTuple):
    """What a defense is fitted to."""

    dataset: str
    label_names: tuple[str, ...]
    max_length: int
    """Longest row in tokens, special tokens and template included; the text is cut, never the template."""


class Classifier(Protocol):
    """A fitted defense: texts in, logits out.

    A randomised one draws from (its seed, the draw number, the text), so that the same question has the same answer
    within a draw; it has ``redrawn(draw) -> Classifier`` besides, which answers with other random numbers.
    """

    forwards_per_prediction: int

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]``; row i depends on text i only."""


class Uses(NamedTuple):
    """Registered items that a part needs by name: they are fetched before, and their identity is part of the cell's."""

    models: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()


def uses_nothing(options: Any) -> Uses:
    """For parts that need no other item."""
    return Uses()


Adversary = Callable[[str, Classifier, Sequence[Example], int], list[Example]]
"""``adversary(attack, classifier, examples, seed)``: the texts of ``examples`` that the registered attack turned
within the suite's contract, with their gold labels; examples it could not turn are left out."""


class FitContext(NamedTuple):
    """Everything a defense gets for fitting."""

    base: MaskedLanguageModel
    task: Task
    train: Sequence[Example]
    validation: Sequence[Example]
    seed: int
    progress: Callable[[float, str], None]
    """Called with the share done in 0..1 and a short text."""
    resources: Resources
    adversary: Adversary


class ObjectiveContext(NamedTuple):
    """What an objective with state gets when a training begins."""

    network: Any
    """A :class:`benchmark.api.Network`, in training mode whenever ``backward`` is called."""
    fit: FitContext
    generator: torch.Generator
    """The only source of random numbers for perturbations; seeded."""
    epochs: int
    steps_per_epoch: int
    """Of the first epoch; an objective that changes the training texts changes later ones."""
    classifier: Callable[[], Classifier]
    """The network as it is now, as a classifier (for objectives that attack it while it trains)."""


class ObjectiveRun:
    """One training under an objective. Subclass it, or give ``Objective.backward`` where there is no state."""

    def backward(self, batch: TrainingBatch) -> float:
        """Leave gradients in the network's parameters and return the loss. They were cleared before."""
        raise NotImplementedError

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Parameters of the objective itself, trained beside the network's and not saved."""
        return ()

    def examples(self, epoch: int, train: Sequence[Example]) -> Sequence[Example]:
        """The training examples of an epoch (from 0)."""
        return train


@dataclass(frozen=True)
class Head:
    """How the model predicts. ``build(base, task, options)`` returns a torch module that is a :class:`Network`.

    ``build`` raises NotApplicable where the head cannot work (no mask token, a label word of several tokens).
    ``warm_start(network, context, options)`` is called once before training (linear probing), never after loading.
    ``version`` is raised whenever the code changes what the head computes.
    """

    name: str
    build: Callable[[MaskedLanguageModel, Task, Any], Any]
    options: type[Options] = NoOptions
    needs: frozenset[Capability] = frozenset()
    offers: frozenset[Capability] = frozenset({Capability.GRADIENTS})
    version: int = 1
    about: str = ""
    paper: str = ""
    uses: Callable[[Any], Uses] = uses_nothing
    warm_start: Callable[[Any, FitContext, Any], None] | None = None


@dataclass(frozen=True)
class Objective:
    """What is minimised, in one of two forms.

    ``backward(network, batch, options, generator)`` leaves gradients and returns the loss; or, with state,
    ``begin(context, options)`` returns an :class:`ObjectiveRun`. ``is_default`` marks the objective that a defense has
    when its name gives none (exactly one may be marked). ``changes`` names what it alters in training ("embeddings"):
    two parts that alter the same do not compose.
    """

    name: str
    backward: Callable[[Any, TrainingBatch, Any, Any], float] | None = None
    options: type[Options] = NoOptions
    needs: frozenset[Capability] = frozenset()
    version: int = 1
    is_default: bool = False
    about: str = ""
    paper: str = ""
    uses: Callable[[Any], Uses] = uses_nothing
    changes: frozenset[str] = frozenset()
    begin: Callable[[ObjectiveContext, Any], ObjectiveRun] | None = None

    def __post_init__(self) -> None:
        if (self.backward is None) == (self.begin is None):
            raise ValueError(f"objective '{self.name}' must give exactly one of backward and begin")


class Stage(IntEnum):
    """Where a wrapper works, from the network outwards; the order in which wrappers are put around each other."""

    EMBEDDINGS = 0
    SCORES = 1
    COPIES = 2
    TEXT = 3


class WrapContext(NamedTuple):
    """What a wrapper gets around a fitted victim."""

    inner: Classifier
    """What it wraps: the network's classifier, or the wrapper inside."""
    fit: FitContext
    state: Any
    """What the wrapper's ``fit`` returned (JSON values), None without one."""


@dataclass(frozen=True)
class Wrapper:
    """What happens around the model when it predicts. ``wrap(context, options)`` returns the new Classifier.

    ``fit(context, options)`` is called once after training and returns JSON values that are kept with the checkpoint.
    ``edit(text, rng, context, options)`` changes every training text, drawn anew in each epoch. ``begin(context, run,
    options)`` puts itself around the objective's training. ``randomised(options)`` says whether predictions are drawn.
    """

    name: str
    wrap: Callable[[WrapContext, Any], Classifier]
    stage: Stage
    options: type[Options] = NoOptions
    needs: frozenset[Capability] = frozenset()
    version: int = 1
    about: str = ""
    paper: str = ""
    uses: Callable[[Any], Uses] = uses_nothing
    changes: frozenset[str] = frozenset()
    randomised: Callable[[Any], bool] = lambda options: False
    fit: Callable[[WrapContext, Any], Any] | None = None
    edit: Callable[[str, random.Random, FitContext, Any], str] | None = None
    begin: Callable[[ObjectiveContext, ObjectiveRun, Any], ObjectiveRun] | None = None


@dataclass(frozen=True)
class CompleteDefense:
    """A defense that shares none of the slots: it fits, saves and loads by itself.

    ``fit(context, options)`` returns a Classifier; ``save(classifier, folder)`` writes it (safetensors and JSON, never
    pickle) and ``load(folder, base, task, options)`` restores it.
    """

    name: str
    fit: Callable[[FitContext, Any], Classifier]
    save: Callable[[Classifier, Path], None]
    load: Callable[[Path, MaskedLanguageModel, Task, Any], Classifier]
    options: type[Options] = NoOptions
    needs: frozenset[Capability] = frozenset()
    offers: frozenset[Capability] = frozenset()
    version: int = 1
    about: str = ""
    paper: str = ""
    uses: Callable[[Any], Uses] = uses_nothing


DefensePart = Head | Objective | Wrapper | CompleteDefense
