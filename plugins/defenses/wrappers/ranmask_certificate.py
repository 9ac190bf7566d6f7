"""What ``ranmask`` certifies: how many words of a text may be replaced, by any words, without a change of the vote.

Of L words K are kept, a uniformly drawn subset. A change of d words is seen by a copy with probability

    Delta(d) = 1 - C(L - d, K) / C(L, K),

so no class's probability moves by more than beta Delta(d), with beta = 1. (The published code takes beta to be the
estimated probability of the class, which is an estimate and no bound.) With p_low a lower confidence bound of the
probability of the voted class, the radius is the largest d with p_low - Delta(d) > 1/2: that d included. (The published
code returns the first d that fails, one too many.)

It holds for the classifier that is smoothed over all masks, for replacements that keep the number of words, and only
where the classifier inside draws nothing. arXiv 2105.03743, section on certified robustness.
"""

from __future__ import annotations

import math
import random
from typing import NamedTuple

from benchmark import BadOptions, Classifier
from benchmark_plugins.defenses.wrappers.draws import stable_seed
from benchmark_plugins.defenses.wrappers.ranmask import WORD, draw_masked, masked_count

BATCH = 100


class Certificate(NamedTuple):
    """The result for one text. ``prediction`` and ``radius`` are None where nothing can be said (abstention)."""

    prediction: int | None
    radius: int | None
    """Words that may be replaced, at most."""
    p_low: float
    """Lower confidence bound of the probability that a random mask gives the guessed class."""
    words: int
    kept: int


def delta(words: int, kept: int, changed: int) -> float:
    """Probability that a uniform subset of ``kept`` of ``words`` words holds one of ``changed`` given ones."""
    return 1 - math.comb(words - changed, kept) / math.comb(words, kept)


def certified_radius(p_low: float, words: int, kept: int) -> int | None:
    """The largest d with p_low - Delta(d) > 1/2; None when not even d = 0 has it."""
    radius = None
    for changed in range(words + 1):
        if p_low - delta(words, kept, changed) <= 0.5:
            break
        radius = changed
    return radius


def lower_bound(successes: int, draws: int, alpha: float) -> float:
    """One-sided Clopper-Pearson bound at confidence 1 - ``alpha`` for the probability of a success."""
    from scipy.stats import beta

    return float(beta.ppf(alpha, successes, draws - successes + 1)) if successes else 0.0


def certify(
    classifier: Classifier,
    text: str,
    mask: str,
    ratio: float,
    seed: int,
    guess: int = 100,
    draws: int = 5000,
    alpha: float = 0.05,
) -> Certificate:
    """The certificate of ``text`` for the classifier inside ``ranmask``, which must be deterministic.

    The class is guessed from ``guess`` masks and its probability bounded from ``draws`` fresh ones (defaults of the
    published code), at confidence 1 - ``alpha``. Costs ``guess + draws`` predictions of ``classifier``. Raises
    BadOptions for a randomised classifier and for numbers out of range.
    """
    import numpy as np

    if hasattr(classifier, "redrawn"):
        raise BadOptions("a randomised classifier cannot be certified", "Give the classifier inside of 'ranmask'")
    if not (guess >= 1 and draws >= 1 and 0 < alpha < 1):
        raise BadOptions("a certificate needs guess and draws of 1 at least, and 0 < alpha < 1", "Use the defaults")
    words = len(WORD.findall(text))
    kept = words - masked_count(words, ratio)
    rng = random.Random(stable_seed("ranmask-certificate", seed, text))

    def predictions(number: int) -> list[int]:
        found: list[int] = []
        while len(found) < number:
            copies = [draw_masked(text, ratio, mask, rng) for _ in range(min(BATCH, number - len(found)))]
            found += classifier.logits(copies).argmax(axis=-1).tolist()
        return found

    guessed = int(np.bincount(predictions(guess)).argmax())
    p_low = lower_bound(predictions(draws).count(guessed), draws, alpha)
    radius = certified_radius(p_low, words, kept)
    return Certificate(None if radius is None else guessed, radius, p_low, words, kept)
