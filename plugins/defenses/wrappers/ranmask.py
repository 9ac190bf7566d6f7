"""``ranmask``: random masking of words and a pooled prediction (Zeng et al., Computational Linguistics 49(2), 2023).

Of a text of L words, M = round(rho L) are replaced by the mask token, a uniformly drawn subset; at least two words are
kept. Training shows every text under a fresh mask in each epoch. A prediction pools n masked copies:

* vote: share of the copies whose highest logit is class c;
* mean: log of the mean of softmax(z_i);
* logit: mean of z_i / ||z_i||_2.

Words are what whitespace separates; a column separator is whitespace and never masked. arXiv 2105.03743.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Capability, Classifier, FitContext, NotApplicable, Options, Stage, WrapContext, Wrapper
from benchmark_plugins.defenses.wrappers.draws import stable_seed
from benchmark_plugins.defenses.wrappers.mapped import redrawn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORD = re.compile(r"\S+")
"""A word. ``COLUMN_SEPARATOR`` counts as whitespace."""
KEPT = 2
"""The fewest words that are kept."""


class RanMaskOptions(Options):
    """Options of ``ranmask``."""

    ratio: float = Field(
        default=0.7, ge=0, le=1, description="rho, share of the words that are masked (RanMASK code: 0.7; SST-2: 0.3)"
    )
    copies: int = Field(default=100, ge=1, description="n, masked copies pooled for a prediction (RanMASK code: 100)")
    pool: Literal["vote", "mean", "logit"] = Field(
        default="vote",
        description="vote (RanMASK code), mean of softmax, or logit: mean of normalised logits (both codes, 'logits')",
    )
    training_ratio: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="another rho while training; None: the same (RanMASK code). TextDefender trains with 0.9, tests "
        "with 0.7",
    )


def masked_count(words: int, ratio: float) -> int:
    """How many of ``words`` words are masked: ``ratio * words`` with halves rounded up, so that two words stay."""
    wanted = int((Decimal(str(ratio)) * words).to_integral_value(ROUND_HALF_UP))
    return max(0, min(wanted, words - KEPT))


def masked(text: str, places: Sequence[int], mask: str) -> str:
    """``text`` with the words at ``places`` (from 0) replaced by ``mask``; whitespace stays as it is."""
    hidden = set(places)
    made: list[str] = []
    end = 0
    for number, word in enumerate(WORD.finditer(text)):
        made += [text[end : word.start()], mask if number in hidden else word[0]]
        end = word.end()
    return "".join([*made, text[end:]])


def draw_masked(text: str, ratio: float, mask: str, rng: random.Random) -> str:
    """``text`` under one uniformly drawn mask."""
    words = len(WORD.findall(text))
    return masked(text, rng.sample(range(words), masked_count(words, ratio)), mask)


def pooled(logits: NDArray[np.float32], pool: str) -> NDArray[np.float64]:
    """Scores ``[C]`` of the logits ``[n, C]`` of n copies; see the head of this module. Ties vote for the first."""
    import numpy as np
    from scipy.special import log_softmax, logsumexp

    scores = np.asarray(logits, dtype=np.float64)
    if pool == "vote":
        return np.bincount(scores.argmax(axis=-1), minlength=scores.shape[1]) / len(scores)
    if pool == "mean":
        return np.asarray(logsumexp(log_softmax(scores, axis=-1), axis=0) - np.log(len(scores)))
    norms = np.linalg.norm(scores, axis=-1, keepdims=True)
    return np.asarray((scores / np.where(norms == 0, 1, norms)).mean(axis=0))


class RanMaskClassifier:
    """Implements :class:`benchmark.api.Classifier`. The masks of a text follow from (seed, draw, text) alone."""

    def __init__(self, inner: Classifier, mask: str, options: RanMaskOptions, seed: int, draw: int = 0) -> None:
        self.inner, self.mask, self.options, self.seed, self.draw = inner, mask, options, seed, draw
        self.forwards_per_prediction = options.copies * inner.forwards_per_prediction

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Pooled scores ``[N, C]``. Equal copies of a text are computed once, and count as often as they occur."""
        import numpy as np

        if not texts:
            return self.inner.logits(texts)
        return np.stack([self._scores(text) for text in texts]).astype(np.float32)

    def _scores(self, text: str) -> NDArray[np.float64]:
        rng = random.Random(stable_seed("ranmask", self.seed, self.draw, text))
        copies = [draw_masked(text, self.options.ratio, self.mask, rng) for _ in range(self.options.copies)]
        place = {copy: number for number, copy in enumerate(dict.fromkeys(copies))}
        found = self.inner.logits(list(place))
        return pooled(found[[place[copy] for copy in copies]], self.options.pool)

    def redrawn(self, draw: int) -> RanMaskClassifier:
        """The same with other masks."""
        return RanMaskClassifier(redrawn(self.inner, draw), self.mask, self.options, self.seed, draw)


def mask_string(context: FitContext) -> str:
    """The mask token as it is written into a text; raises NotApplicable for a model without one."""
    mask = context.base.tokenizer.mask_token
    if not mask:
        raise NotApplicable("ranmask needs a model with a mask token", "Use a masked language model")
    return str(mask)


def edit(text: str, rng: random.Random, context: FitContext, options: RanMaskOptions) -> str:
    """A training text under a fresh mask."""
    ratio = options.ratio if options.training_ratio is None else options.training_ratio
    return draw_masked(text, ratio, mask_string(context), rng)


def wrap(context: WrapContext, options: RanMaskOptions) -> Classifier:
    """The pooled classifier, seeded by the training's seed."""
    return RanMaskClassifier(context.inner, mask_string(context.fit), options, context.fit.seed)


def randomised(options: Any) -> bool:
    """Always: predictions are drawn."""
    return True


RANMASK = Wrapper(
    name="ranmask",
    wrap=wrap,
    stage=Stage.COPIES,
    options=RanMaskOptions,
    needs=frozenset({Capability.MASK_TOKEN}),
    changes=frozenset({"words"}),
    randomised=randomised,
    edit=edit,
    about="random words masked in training and in each of n copies whose predictions are pooled",
    paper="Zeng et al., Computational Linguistics 49(2) 2023, arXiv 2105.03743",
)
