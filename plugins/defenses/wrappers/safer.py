"""``safer``: random synonym substitution and a pooled prediction (Ye, Gong and Liu, ACL 2020, arXiv 2005.14424).

P_x is the word x and its synonyms. In training every word is replaced by one drawn uniformly from P_x, anew in each
epoch; a prediction pools n such copies of the text:

* vote: share of the copies whose highest logit is class c;
* mean: log of the mean of softmax(z_i).

A substitute takes the case of the word. Whitespace and punctuation stay, and so do the model's mask and unknown token.
What this certifies is in :mod:`benchmark_plugins.defenses.wrappers.safer_certificate`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Classifier, FitContext, Options, Stage, SynonymTable, Uses, WrapContext, Wrapper
from benchmark_plugins.defenses.words import WORD, candidates
from benchmark_plugins.defenses.wrappers.draws import stable_seed
from benchmark_plugins.defenses.wrappers.mapped import redrawn
from benchmark_plugins.defenses.wrappers.ranmask import pooled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    SmoothingSet = Callable[[str], tuple[str, ...]]


class SaferOptions(Options):
    """Options of ``safer``."""

    synonyms: str = Field(default="counterfit-synonyms", description="registered synonym table")
    neighbours: int = Field(
        default=99, ge=0, description="most synonyms in P_x beside the word (SAFER code: K = 100 words in all)"
    )
    copies: int = Field(
        default=100, ge=1, description="n, copies pooled for a prediction (TextDefender: 100; SAFER code certifies)"
    )
    pool: Literal["vote", "mean"] = Field(
        default="vote", description="vote (the paper's smoothed classifier), or log of the mean softmax"
    )


class Substitution:
    """Draws substitutes from a table. ``protected`` strings are never taken for words."""

    def __init__(self, table: SynonymTable, neighbours: int, protected: Sequence[str] = ()) -> None:
        self._table, self._neighbours = table, neighbours
        names = "|".join(re.escape(name) for name in sorted(protected, key=len, reverse=True))
        self._pattern = re.compile(f"({names})|{WORD.pattern}" if names else f"((?!))|{WORD.pattern}")

    def smoothing_set(self, word: str) -> tuple[str, ...]:
        """P_x: ``word``, then its synonyms in its case, nearest first, each once."""
        return (word, *(name for name, _ in islice(candidates(self._table, word), self._neighbours)))

    def words(self, text: str) -> list[str]:
        """The words of a text, in order."""
        return [match[0] for match in self._pattern.finditer(text) if match[1] is None]

    def drawn(self, text: str, rng: random.Random) -> str:
        """``text`` with every word replaced by a uniform draw from its set."""

        def substitute(match: re.Match[str]) -> str:
            return match[0] if match[1] is not None else rng.choice(self.smoothing_set(match[0]))

        return self._pattern.sub(substitute, text)


class SaferClassifier:
    """Implements :class:`benchmark.api.Classifier`. The copies of a text follow from (seed, draw, text, copy) alone."""

    def __init__(
        self, inner: Classifier, substitution: Substitution, options: SaferOptions, seed: int, draw: int = 0
    ) -> None:
        self.inner, self.substitution, self.options, self.seed, self.draw = inner, substitution, options, seed, draw
        self.forwards_per_prediction = options.copies * inner.forwards_per_prediction

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Pooled scores ``[N, C]``. Equal copies of a text are computed once, and count as often as they occur."""
        import numpy as np

        if not texts:
            return self.inner.logits(texts)
        return np.stack([self._scores(text) for text in texts]).astype(np.float32)

    def copies(self, text: str) -> list[str]:
        """The copies of a text whose predictions are pooled."""
        seeds = (stable_seed("safer", self.seed, self.draw, text, copy) for copy in range(self.options.copies))
        return [self.substitution.drawn(text, random.Random(seed)) for seed in seeds]

    def _scores(self, text: str) -> NDArray[np.float64]:
        copies = self.copies(text)
        place = {copy: number for number, copy in enumerate(dict.fromkeys(copies))}
        found = self.inner.logits(list(place))
        return pooled(found[[place[copy] for copy in copies]], self.options.pool)

    def redrawn(self, draw: int) -> SaferClassifier:
        """The same with other copies."""
        return SaferClassifier(redrawn(self.inner, draw), self.substitution, self.options, self.seed, draw)


def substitution(context: FitContext, options: SaferOptions) -> Substitution:
    """The table's substitution, which spares the model's mask and unknown token."""
    tokenizer = context.base.tokenizer
    protected = [token for token in (tokenizer.mask_token, tokenizer.unk_token) if token]
    return Substitution(context.resources.model(options.synonyms), options.neighbours, protected)


def edit(text: str, rng: random.Random, context: FitContext, options: SaferOptions) -> str:
    """A training text with every word drawn from its set."""
    return substitution(context, options).drawn(text, rng)


def wrap(context: WrapContext, options: SaferOptions) -> Classifier:
    """The pooled classifier, seeded by the training's seed."""
    return SaferClassifier(context.inner, substitution(context.fit, options), options, context.fit.seed)


def randomised(options: Any) -> bool:
    """Always: predictions are drawn."""
    return True


def uses(options: Any) -> Uses:
    """The synonym table."""
    return Uses(models=(options.synonyms,))


SAFER = Wrapper(
    name="safer",
    wrap=wrap,
    stage=Stage.COPIES,
    options=SaferOptions,
    changes=frozenset({"words"}),
    randomised=randomised,
    uses=uses,
    edit=edit,
    about="every word replaced by a random synonym in training and in each of n copies whose predictions are pooled",
    paper="Ye, Gong and Liu, ACL 2020, arXiv 2005.14424",
)
