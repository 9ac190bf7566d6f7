"""Base models, sentence encoders, and tables of words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from benchmark.api.base import Capability, ModelRole
from benchmark.api.data import Asset, Resources

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class SentenceEncoder(Protocol):
    """Maps texts to unit vectors. What it caches lives as long as the process and must be bounded."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors ``[N, D]``; the vector of a text does not depend on its neighbours in the batch.

        Not in the last bits either: an example must be what it is alone, whatever is attacked beside or before it.
        """


class SynonymTable(Protocol):
    """Words and what may stand for them."""

    def neighbours(self, word: str) -> tuple[tuple[str, float], ...]:
        """Lower-case ``word``'s neighbours with their similarity (1 is the most), nearest first, itself left out."""


class Lexicon(Protocol):
    """What the clauses of a contract on words look up. Words are lower-case, with straight apostrophes."""

    stop_words: frozenset[str]

    def antonyms(self, word: str) -> frozenset[str]:
        """Words that may not take the place of ``word``; none for one that is not known.

        Forms count as they are written: a lexicon that wants "hated" to be an antonym of "loved" returns it.
        """


@dataclass
class MaskedLanguageModel:
    """A loaded base model: a ``transformers`` masked (or causal) LM in eval mode, and its fast tokenizer.

    A causal model's tokenizer must have a mask token too (added to the vocabulary, never attended to by the slot).
    """

    network: torch.nn.Module
    tokenizer: Any
    """A ``transformers.PreTrainedTokenizerFast``."""


@dataclass(frozen=True)
class Model:
    """A base model, an encoder or a table of words. ``load(resources)`` returns a fresh object of the role's type.

    ``revision`` names the exact weights (digests of the files they come from). ``batched`` names methods of the loaded
    object that take one list of hashable items and return one answer an item, in a list or as rows of an array, where
    an answer does not depend on its neighbours, to the last bit: the questions of examples that are attacked side by
    side are then answered in one call, each distinct item once.
    """

    name: str
    role: ModelRole
    revision: str
    load: Callable[[Resources], Any]
    assets: tuple[Asset, ...] = ()
    offers: frozenset[Capability] = frozenset()
    about: str = ""
    batched: tuple[str, ...] = ()
