"""Contracts between the core and plugins. Importing this module imports no torch and touches no disk.

A plugin author needs the classes of this page and nothing else: an item is a frozen dataclass that names itself,
declares what it needs and offers, and carries the functions that do the work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import random

    import numpy as np
    import torch
    from numpy.typing import NDArray


class Options(BaseModel):
    """Base of every options class: unknown keys are refused, values are frozen.

    Each field carries its default and, in its ``description``, its source (paper, section or code).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class NoOptions(Options):
    """For items that have nothing to set."""


class Capability(StrEnum):
    """What a part offers or needs; the plan compares both before anything trains."""

    GRADIENTS = "gradients"
    MASK_TOKEN = "mask-token"
    SYNONYMS = "synonyms"


class ModelRole(StrEnum):
    """What a registered model is used as."""

    MASKED_LM = "masked-lm"
    SENTENCE_ENCODER = "sentence-encoder"


# --- data ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """One labelled text. ``id`` is stable across machines and orders (a hash of the text)."""

    id: str
    text: str
    label: int


class Splits(NamedTuple):
    """The fixed parts of a dataset. Attacked examples come from ``test``, model selection from ``validation``."""

    train: Sequence[Example]
    validation: Sequence[Example]
    test: Sequence[Example]


@dataclass(frozen=True)
class Asset:
    """A pinned archive of a package index, read as data: only ``members`` are opened, no code in it runs.

    ``members`` are glob patterns of the files that are read out of the archive.
    """

    name: str
    distribution: str
    version: str
    filename: str
    sha256: str
    size: int
    members: tuple[str, ...]
    licence: str
    about: str


class AssetReader(Protocol):
    """Read access to pinned assets and to files derived from them."""

    def read(self, asset: Asset, member: str) -> bytes:
        """The bytes of one member; raises AssetMissing (naming ``bench fetch``) when the archive is not cached."""

    def extract(self, asset: Asset) -> Path:
        """A folder that holds the asset's members at their archive paths, extracted once, safely and atomically."""

    def derived(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """A folder made once from other assets: ``build(folder)`` fills it, atomically, under a lock.

        ``inputs`` is everything the result depends on (digests, parameters, a version integer of the algorithm);
        its hash is the folder's name, so a changed input never meets an old result.
        """


class Resources(AssetReader, Protocol):
    """What the harness hands to a plugin's functions: assets, and other registered models by name."""

    def model(self, name: str) -> Any:
        """The loaded model registered under ``name`` (loaded once per process); raises UnknownName."""


@dataclass(frozen=True)
class Dataset:
    """A dataset. ``load(resources)`` returns its parts; ``revision`` changes whenever a row or a part changes."""

    name: str
    label_names: tuple[str, ...]
    revision: str
    load: Callable[[Resources], Splits]
    assets: tuple[Asset, ...] = ()
    licence: str = ""
    about: str = ""


# --- models -------------------------------------------------------------------------------------------------------


class SentenceEncoder(Protocol):
    """Maps texts to unit vectors."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors ``[N, D]``; the vector of a text does not depend on its neighbours in the batch."""


@dataclass
class MaskedLanguageModel:
    """A loaded base model: a ``transformers`` masked LM (in eval mode) and its fast tokenizer."""

    network: torch.nn.Module
    tokenizer: Any
    """A ``transformers.PreTrainedTokenizerFast``."""


@dataclass(frozen=True)
class Model:
    """A base model or a sentence encoder. ``load(resources)`` returns a fresh object of the role's type.

    ``revision`` names the exact weights (digests of the files they come from).
    """

    name: str
    role: ModelRole
    revision: str
    load: Callable[[Resources], Any]
    assets: tuple[Asset, ...] = ()
    offers: frozenset[Capability] = frozenset()
    about: str = ""


# --- defenses -----------------------------------------------------------------------------------------------------


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


# --- attacks ------------------------------------------------------------------------------------------------------


class Victim(Protocol):
    """The attack's only way to the model. Counts every text asked as one logical query.

    ``logits`` raises BudgetExhausted at the query that would overshoot; an attack must not catch it.
    """

    num_labels: int
    mask_token: str
    unknown_token: str

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]``, rounded to 1e-5 so that the last bits of a batch do not decide between candidates."""


class ContractCheck(Protocol):
    """The suite's threat model as a predicate, for attacks that search inside it."""

    candidates: int
    """K: the most substitutes an attack may consider for one word."""

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        """Whether each candidate text is within the contract with respect to the original text."""


class AttackRun(Protocol):
    """A built attack. Heavy, read-only assets are shared; the search state is made anew for every example."""

    def attack(self, victim: Victim, example: Example, seed: int) -> str | None:
        """An adversarial text or None. The harness re-scores and validates whatever comes back.

        ``seed`` derives from (cell, example id); the harness has also seeded ``random``, numpy and torch with it.
        """


@dataclass(frozen=True)
class Attack:
    """An attack. ``build(options, resources, contract, task)`` returns an AttackRun, once per cell and process.

    ``display`` is the name on pages: the method and the assets it runs with, such as
    ``textfooler[cf-glove50,muse,spacy]``. ``models`` are the registered models it loads.
    """

    name: str
    build: Callable[[Any, Resources, ContractCheck, Task], AttackRun]
    display: str
    options: type[Options] = NoOptions
    needs: frozenset[Capability] = frozenset()
    assets: tuple[Asset, ...] = ()
    models: tuple[str, ...] = ()
    version: int = 1
    about: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Fixed parameters and their source, for pages and records."""
