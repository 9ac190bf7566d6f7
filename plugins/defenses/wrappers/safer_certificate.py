"""What ``safer`` certifies: that no substitution of words by their synonyms changes the smoothed prediction.

With P_x the smoothing set of a word x and S_x the words that may take its place, the copies of x and of x' in S_x agree
at least with probability

    q_x = min_{x' in S_x} |P_x n P_x'| / max(|P_x|, |P_x'|),

one minus the total variation of the two uniform distributions. (The published code divides by |P_x|, which is too large
a share where P_x' has more words.) Over a text no probability moves by more than Q = 1 - prod_j q_j, the product over
the R words of smallest q if at most R may change. Certified: g_A - g_B - 2 Q > 0.

It holds for the classifier that is smoothed over all substitutions, against substitutes from S_x only, and only where
the classifier inside draws nothing. arXiv 2005.14424.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmark import BadOptions, Classifier
from benchmark_plugins.defenses.wrappers.draws import stable_seed
from benchmark_plugins.defenses.wrappers.ranmask_certificate import lower_bound
from benchmark_plugins.defenses.wrappers.safer import Substitution

BATCH = 100

Words = Callable[[str], Sequence[str]]


class SaferCertificate(NamedTuple):
    """The result for one text."""

    prediction: int
    """The class guessed from a first sample."""
    certified: bool
    p_low: float
    """Lower confidence bound of the probability that a random copy gets that class."""
    shift: float
    """Q, the most by which a probability can move."""


def overlap(first: Sequence[str], second: Sequence[str]) -> float:
    """One minus the total variation of the uniform distributions over two sets of words."""
    return len(set(first) & set(second)) / max(len(set(first)), len(set(second)))


def least_overlap(word: str, smoothing_set: Words, allowed: Words) -> float:
    """q_x of ``word`` against any word of ``allowed(word)``; 1 when there is none."""
    own = smoothing_set(word)
    return min((overlap(own, smoothing_set(other)) for other in allowed(word)), default=1.0)


def shift(words: Sequence[str], smoothing_set: Words, allowed: Words | None = None, budget: int | None = None) -> float:
    """Q of a text of ``words`` of which at most ``budget`` (None: all) may change, each to one of ``allowed(word)``
    (None: to any of its smoothing set)."""
    may_become = smoothing_set if allowed is None else allowed
    found = sorted(least_overlap(word, smoothing_set, may_become) for word in words)
    return 1.0 - math.prod(found[:budget])


def is_certified(first: float, second: float, moved: float) -> bool:
    """Whether the class of probability ``first`` stays ahead of that of ``second`` when each moves by ``moved``."""
    return first - second - 2 * moved > 0


def certify(
    classifier: Classifier,
    text: str,
    substitution: Substitution,
    seed: int,
    allowed: Words | None = None,
    budget: int | None = None,
    guess: int = 100,
    draws: int = 20_000,
    alpha: float = 0.05,
) -> SaferCertificate:
    """The certificate of ``text`` for the classifier inside ``safer``, which must be deterministic.

    The class is guessed from ``guess`` copies, its probability bounded from below from ``draws`` fresh ones (one-sided
    Clopper-Pearson at confidence 1 - ``alpha``) and that of any other class from above by the rest. Costs
    ``guess + draws`` predictions of ``classifier``. Raises BadOptions for a randomised one, and for numbers out of
    range.
    """
    import numpy as np

    if hasattr(classifier, "redrawn"):
        raise BadOptions("a randomised classifier cannot be certified", "Give the classifier inside of 'safer'")
    if not (guess >= 1 and draws >= 1 and 0 < alpha < 1 and (budget is None or budget >= 0)):
        raise BadOptions(
            "a certificate needs guess and draws of 1 at least, 0 < alpha < 1 and no negative budget",
            "Use the defaults",
        )
    rng = random.Random(stable_seed("safer-certificate", seed, text))

    def predictions(number: int) -> list[int]:
        found: list[int] = []
        while len(found) < number:
            copies = [substitution.drawn(text, rng) for _ in range(min(BATCH, number - len(found)))]
            found += classifier.logits(copies).argmax(axis=-1).tolist()
        return found

    guessed = int(np.bincount(predictions(guess)).argmax())
    p_low = lower_bound(predictions(draws).count(guessed), draws, alpha)
    moved = shift(substitution.words(text), substitution.smoothing_set, allowed, budget)
    return SaferCertificate(guessed, is_certified(p_low, 1 - p_low, moved), p_low, moved)
