"""Defenses: heads, objectives, complete defenses, and the classifier they end in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from benchmark.api.base import Capability, NoOptions, Options
from benchmark.api.data import Example
from benchmark.api.models import MaskedLanguageModel

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


class Network(Protocol):
    """A ``torch.nn.Module`` made by a head: token rows in, class scores per row out.

    The prediction for a text is the mean of the scores of its rows (``mvp`` has a row per template, others one).
    """

    pad_id: int

    def rows(self, text: str, rng: random.Random | None = None) -> list[list[int]]:
        """Token ids of the text's rows. With ``rng`` (training only) a head may draw fewer rows than at test time."""

    def __call__(self, ids: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        """Scores ``[R, C]`` of rows ``ids [R, L]`` with ``attention [R, L]`` in {0, 1}; row r depends on row r only."""

    def parameters(self) -> Any: ...

    def state_dict(self) -> Any: ...


class TrainingBatch(NamedTuple):
    """A padded batch. ``owner[r]`` is the index, in ``labels``, of the text that row r belongs to."""

    ids: torch.Tensor
    attention: torch.Tensor
    owner: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Head:
    """How the model predicts. ``build(base, task, options)`` returns a torch module that is a :class:`Network`.

    ``build`` raises NotApplicable where the head cannot work (no mask token, a label word of several tokens).
    ``version`` is raised whenever the code changes what the head computes.
    """

    name: str
    build: Callable[[MaskedLanguageModel, Task, Any], Any]
    options: type[Options] = NoOptions
    needs: frozenset[Capability] = frozenset()
    offers: frozenset[Capability] = frozenset({Capability.GRADIENTS})
    version: int = 1
    about: str = ""


@dataclass(frozen=True)
class Objective:
    """What is minimised. ``backward(network, batch, options, generator)`` leaves gradients and returns the loss.

    ``is_default`` marks the objective that a defense has when its name gives none (exactly one may be marked).
    """

    name: str
    backward: Callable[[Any, TrainingBatch, Any, Any], float]
    options: type[Options] = NoOptions
    needs: frozenset[Capability] = frozenset()
    version: int = 1
    is_default: bool = False
    about: str = ""


class Classifier(Protocol):
    """A fitted defense: texts in, logits out."""

    forwards_per_prediction: int

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]``; deterministic, and row i depends on text i only."""


class FitContext(NamedTuple):
    """Everything a complete defense gets for fitting."""

    base: MaskedLanguageModel
    task: Task
    train: Sequence[Example]
    validation: Sequence[Example]
    seed: int
    progress: Callable[[float, str], None]
    """Called with the share done in 0..1 and a short text."""


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


DefensePart = Head | Objective | CompleteDefense
