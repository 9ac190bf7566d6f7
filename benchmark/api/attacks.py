"""Attacks: what they see of the victim and of the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from benchmark.api.base import Capability, NoOptions, Options
from benchmark.api.data import Asset, Example, Resources
from benchmark.api.defenses import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Family(StrEnum):
    """What an attack changes, and how it searches."""

    CHARACTER = "character"
    WORD = "word"
    MASKED_LM = "masked LM"
    EVOLUTIONARY = "evolutionary"
    GRADIENT = "gradient"
    SENTENCE = "sentence"


class Access(StrEnum):
    """What an attack asks of the victim."""

    SCORE = "score"
    DECISION = "decision"
    GRADIENT = "gradient"


class AttackState(StrEnum):
    """How near an attack is to what was published. The last three can be listed and explained; only one that needs
    weights runs, where it is named and its options name the weights."""

    FAITHFUL = "faithful"
    """The published recipe with its own assets."""
    VARIANT = "variant"
    """An asset or a part of the algorithm is replaced; the display name says which."""
    FIXED = "fixed"
    """A defect of the library is mended; a test shows it on the original."""
    DEFECTIVE = "defective upstream"
    NEEDS_WEIGHTS = "needs local weights"
    UNAVAILABLE = "not available here"


RUNNABLE = frozenset({AttackState.FAITHFUL, AttackState.VARIANT, AttackState.FIXED})


class Track(StrEnum):
    """Whose constraints bind an attack: those of its paper, or the suite's contract as well."""

    NATIVE = "native"
    CONTRACT = "contract"


class TokenGradients(NamedTuple):
    """d loss / d word embedding of one text, for T tokens of the text itself (no special or template tokens).

    The loss is the cross-entropy of the label that was given; a text that becomes several rows has the sum over rows.
    """

    spans: tuple[tuple[int, int], ...]
    """First character and the one after the last of each token, in the text."""
    ids: tuple[int, ...]
    gradients: NDArray[np.float32]
    """``[T, d]``."""


class Victim(Protocol):
    """The attack's only way to the model. Counts every text asked, and every gradient, as one logical query.

    Both raise BudgetExhausted at the query that would overshoot; an attack must not catch it.
    """

    num_labels: int
    mask_token: str
    unknown_token: str

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits ``[N, C]``, rounded to 1e-5 so that the last bits of a batch do not decide between candidates."""

    def gradients(self, text: str, label: int) -> TokenGradients:
        """For attacks that need ``Capability.GRADIENTS`` and ``EMBEDDINGS``; raises NotApplicable elsewhere."""

    def token_ids(self, text: str) -> list[int]:
        """Ids of the victim's tokens of a text, without special tokens (white-box attacks)."""

    def embedding_matrix(self) -> NDArray[np.float32]:
        """Word embeddings ``[V, d]`` of the victim's vocabulary, read-only (white-box attacks)."""


class ContractCheck(Protocol):
    """The suite's threat model as a predicate, for attacks that search inside it."""

    candidates: int
    """K: the most substitutes an attack may consider for one word."""
    track: Track
    """On the native track every candidate is admissible and only the attack's own constraints bind it."""

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        """Whether each candidate text is within the contract with respect to the original text."""


class AttackRun(Protocol):
    """A built attack. Heavy, read-only assets are shared; the search state is made anew for every example."""

    def attack(self, victim: Victim, example: Example, seed: int) -> str | None:
        """An adversarial text or None. The harness re-scores and validates whatever comes back.

        ``seed`` derives from (cell, example id); the harness has also seeded ``random``, numpy and torch with it.
        """


def available(options: Any) -> str | None:
    """For attacks that need nothing a machine may lack."""
    return None


@dataclass(frozen=True)
class Attack:
    """An attack. ``build(options, resources, contract, task)`` returns an AttackRun, once per cell and process.

    ``display`` is the name on pages: the method and the assets it runs with, such as
    ``textfooler[cf-glove50,muse,spacy]``. ``models`` are the registered models it loads. ``card`` says in a sentence
    or two why the attack has its state: what was replaced or mended, or why it cannot run. ``unavailable(options)``
    returns what is missing for these options (a folder of weights, a package), or None. ``cost`` is its usual number of
    logical queries an example; a cascade runs the cheapest attack first. A ``diagnostic`` attack (one that does not aim
    at another label) runs when it is named, and never enters a ranking.
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
    family: Family = Family.WORD
    access: Access = Access.SCORE
    paper: str = ""
    state: AttackState = AttackState.FAITHFUL
    card: str = ""
    tracks: frozenset[Track] = frozenset(Track)
    cost: float = 1000.0
    diagnostic: bool = False
    unavailable: Callable[[Any], str | None] = available
