"""The contract: distances by hand, similarity by geometry, and agreement of search and verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.suite import Contract, Similarity
from benchmark.validate import Validator, word_distance, words_of


class Angles:
    """Each text ``"30"`` is the unit vector at 30 degrees."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        radians = [math.radians(float(t.split()[0])) for t in texts]
        return np.array([[math.cos(r), math.sin(r)] for r in radians], np.float32)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("a good film", "a good film", 0),
        ("a good film", "a fine film", 1),
        ("a good film", "good film", 1),
        ("a good film", "a very good film", 1),
        ("a good film", "a g ood film", 2),
        ("it's well-made", "its well-made", 1),
        ("a good film .", "a good film !", 1),
        ("", "one two", 2),
    ],
)
def test_word_distance_by_hand(one: str, other: str, distance: int) -> None:
    assert word_distance(one, other) == distance


def test_words_keep_inner_apostrophes_and_split_punctuation() -> None:
    assert words_of("It's a well-made film...  Don’t!") == ["It's", "a", "well-made", "film", "...", "Don’t", "!"]


@pytest.mark.parametrize(
    ("words", "share", "allowed"), [(10, 0.3, 3), (9, 0.3, 2), (3, 0.3, 1), (1, 0.1, 1), (10, 1, 10)]
)
def test_share_is_rounded_down_with_at_least_one_word(words: int, share: float, allowed: int) -> None:
    validator = Validator(Contract(name="t", perturbed_words=share), None)
    assert validator.allowed_words(" ".join(["w"] * words)) == allowed


def test_budget_is_words_times_the_rate() -> None:
    assert Validator(Contract(name="t", queries_per_word=50), None).budget("one two three") == 150
    assert Validator(Contract(name="t"), None).budget("one two three") is None


@pytest.mark.parametrize(
    ("metric", "degrees", "value"), [("angular", 45, 0.75), ("cosine", 60, 0.5), ("angular", 90, 0.5)]
)
def test_similarity_is_that_of_geometry(metric: str, degrees: int, value: float) -> None:
    contract = Contract(name="t", similarity=Similarity(encoder="e", minimum=0.6, metric=metric))  # type: ignore[arg-type]
    verdict = Validator(contract, Angles()).check("0 a b c", f"{degrees} a b c")
    assert verdict.similarity == pytest.approx(value, abs=1e-5)
    assert bool(verdict.violations) == (value < 0.6)


@given(st.lists(st.integers(0, 180).map(lambda d: f"{d} a b c d e"), max_size=8), st.floats(0.1, 1))
def test_search_and_verdict_agree(texts: list[str], share: float) -> None:
    contract = Contract(name="t", perturbed_words=share, similarity=Similarity(encoder="e", minimum=0.84))
    validator = Validator(contract, Angles())
    original = "0 a b c d e"
    assert validator.admissible(original, texts) == [not validator.check(original, t).violations for t in texts]


def test_a_similarity_clause_needs_its_encoder() -> None:
    with pytest.raises(ValueError, match="encoder"):
        Validator(Contract(name="t", similarity=Similarity(encoder="e", minimum=0.5)), None)
