"""The contract: distances by hand, similarity by geometry, and agreement of search and verdict."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.api import Track
from benchmark.suite import Contract, Similarity, load_suite
from benchmark.validate import UNBOUND_CANDIDATES, Validator, Verdict, word_distance, words_of


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


@settings(deadline=None)
@given(st.lists(st.integers(0, 180).map(lambda d: f"{d} a b c d e"), max_size=8), st.floats(0.1, 1))
def test_search_and_verdict_agree(texts: list[str], share: float) -> None:
    contract = Contract(name="t", perturbed_words=share, similarity=Similarity(encoder="e", minimum=0.84))
    validator = Validator(contract, Angles())
    original = "0 a b c d e"
    assert validator.admissible(original, texts) == [not validator.check(original, t).violations for t in texts]


def test_a_similarity_clause_needs_its_encoder() -> None:
    with pytest.raises(ValueError, match="encoder"):
        Validator(Contract(name="t", similarity=Similarity(encoder="e", minimum=0.5)), None)


# --- all clauses at once ----------------------------------------------------------------------------------------------


class Letters:
    """Each text is the direction of its letter counts. Remembers its calls; takes nothing that is not UTF-8."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        rows = np.zeros((len(texts), 16), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0] = 1
            for letter in text:
                row[hashlib.md5(letter.encode("utf-8")).digest()[0] % 16] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Opposites:
    stop_words = frozenset({"not", "the"})

    def antonyms(self, word: str) -> frozenset[str]:
        return {"good": frozenset({"bad"}), "bad": frozenset({"good"})}.get(word, frozenset())


def first(characters: int, text: str) -> tuple[int, ...]:
    """What a victim reads that reads this many characters of each column."""
    return tuple(min(characters, len(column)) for column in text.split("\x1e"))


first_twelve = partial(first, 12)


WORDS = ["good", "bad", "not", "Not", "the", "film", "films", ".", "\x00", "\ud800", "\x1e", "🎬", "שלום"]
texts = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join) | st.text(st.characters(exclude_categories=()))
contracts = st.builds(
    Contract,
    name=st.just("t"),
    perturbed_words=st.sampled_from([0.1, 0.3, 1.0]),
    similarity=st.none() | st.builds(Similarity, encoder=st.just("e"), minimum=st.sampled_from([0.7, 0.9])),
    track=st.sampled_from(list(Track)),
    frozen_columns=st.sampled_from([(), (0,), (1, 3)]),
    longest=st.none() | st.sampled_from([1.0, 1.5]),
    lexicon=st.just("l"),
    keep_stop_words=st.booleans(),
    forbid_antonyms=st.booleans(),
    forbid_repeats=st.booleans(),
    forbid_truncation=st.booleans(),
)


def strict(**changed: object) -> Contract:
    """Every clause that the words of a text can break, with room for any number of edits."""
    flags = dict.fromkeys(("keep_stop_words", "forbid_antonyms", "forbid_repeats", "forbid_truncation"), True)
    fields = {"name": "t", "frozen_columns": (0,), "longest": 1.2, "lexicon": "l", **flags, **changed}
    return Contract.model_validate(fields)


@settings(deadline=None)
@given(contracts, texts, st.lists(texts, max_size=4))
def test_search_and_verdict_agree_under_any_contract_and_text(
    contract: Contract, original: str, candidates: list[str]
) -> None:
    validator = Validator(contract, Letters(), Opposites(), first_twelve)
    verdicts = [validator.check(original, text) for text in candidates]
    assert validator.admissible(original, candidates) == [not verdict.violations for verdict in verdicts]
    assert all((verdict.similarity is None) == (contract.similarity is None) for verdict in verdicts)
    assert all(violation.encode("utf-8") for verdict in verdicts for violation in verdict.violations)
    assert not validator.check(original, original).violations
    if contract.track is Track.NATIVE:
        assert not any(verdict.violations for verdict in verdicts)


@pytest.mark.parametrize(
    ("adversarial", "violation"),
    [
        ("q\x1ethe film is not good here", "frozen column 0 changed"),
        ("p\x1ethe film is not good here today", "length: 1.23 > 1.2"),
        ("p\x1ethe film is so good here", "stop word changed: 'not' -> 'so'"),
        ("p\x1ethe film is not bad here", "antonym: 'good' -> 'bad'"),
        ("p\x1ethe film film not good here", "repeated word: 'film film'"),
        ("p\x1ethe filmings is not good here", "truncation: 2 words of the original leave the victim's window"),
        ("p\x1ethe film is not good there", "truncation: the edit lies behind the victim's window"),
    ],
)
def test_each_clause_of_a_contract_is_enforced_and_only_when_asked_for(adversarial: str, violation: str) -> None:
    original = "p\x1ethe film is not good here"

    window = partial(first, 11 if violation.startswith("truncation") else 99)
    judge = Validator(strict(), None, Opposites(), window)
    assert judge.check(original, adversarial).violations == (violation,)
    assert judge.admissible(original, [original, adversarial]) == [True, False]
    off = {
        "frozen": {"frozen_columns": ()},
        "length": {"longest": None},
        "stop": {"keep_stop_words": False},
        "antonym": {"forbid_antonyms": False},
        "repeated": {"forbid_repeats": False},
        "truncation": {"forbid_truncation": False},
    }[violation.split()[0].rstrip(":")]
    assert Validator(strict(**off), None, Opposites(), window).check(original, adversarial).violations == ()


def test_the_encoder_sees_survivors_only_and_whole_characters() -> None:
    encoder = Letters()
    contract = strict(similarity={"encoder": "e", "minimum": -1}, forbid_truncation=False, frozen_columns=())
    validator = Validator(contract, encoder, Opposites())
    candidates = ["not a bad film", "not a good film\ud800", "now a good film", "not a fine film"]
    assert validator.admissible("not a good film", candidates) == [False, True, False, True]
    assert encoder.calls == [["not a good film", "not a good film\ufffd", "not a fine film"]]
    assert validator.admissible("not a good film", ["now"]) == [False]
    assert len(encoder.calls) == 1


def test_the_native_track_measures_and_forbids_nothing() -> None:
    encoder = Letters()
    contract = strict(
        track="native", similarity={"encoder": "e", "minimum": 1}, candidates=7, queries_per_word=5, perturbed_words=0.1
    )
    native = Validator(contract, encoder)  # no clause binds: neither lexicon nor window is needed
    assert native.candidates == UNBOUND_CANDIDATES
    assert (
        Validator(contract.model_copy(update={"track": Track.CONTRACT}), encoder, Opposites(), first_twelve).candidates
        == 7
    )
    assert native.track is Track.NATIVE
    assert native.budget("not a good film") == 20
    assert native.admissible("not a good film", ["", "bad bad", "x" * 99]) == [True] * 3
    assert encoder.calls == []
    verdict = native.check("not a good film", "a bad bad film")
    assert (verdict.perturbed_words, verdict.perturbed_share, verdict.violations) == (3, 0.75, ())
    assert verdict.similarity is not None
    assert 0.5 < verdict.similarity < 1
    assert Validator(strict(track="native"), None).check("a", "b") == Verdict(1, 1.0, None, ())


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"lexicon": "l", "keep_stop_words": True}, "lexicon"),
        ({"lexicon": "l", "forbid_antonyms": True}, "lexicon"),
        ({"forbid_truncation": True}, "window"),
    ],
)
def test_a_clause_needs_what_it_looks_up(fields: dict[str, object], missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        Validator(Contract.model_validate({"name": "t", **fields}), None)
    Validator(Contract.model_validate({"name": "t", "lexicon": "l"}), None)


def test_mini_strict_is_mini_under_every_clause() -> None:
    folder = Path(__file__).parents[2] / "plugins" / "suites"
    mini, found = (load_suite(folder / f"{name}.toml") for name in ("mini", "mini-strict"))
    assert (found.name, found.version) == ("mini-strict", 1)
    for field in ("model", "defenses", "seeds", "training", "options", "datasets"):
        assert getattr(found, field) == getattr(mini, field), field
    assert found.contract.model_dump(mode="json") == {
        "name": "strict", "version": 1, "candidates": 50, "perturbed_words": 0.15, "queries_per_word": 50,
        "similarity": {"encoder": "muse-v3", "minimum": 0.9, "metric": "angular"}, "longest": 1.2,
        "lexicon": "wordnet-lexicon", "keep_stop_words": True, "forbid_antonyms": True, "forbid_repeats": True,
        "forbid_truncation": True,
    }  # fmt: skip
    unchanged = {"name", "version", "candidates", "similarity", "perturbed_words", "queries_per_word"}
    assert set(mini.contract.model_dump(mode="json")) == unchanged


def test_the_contract_of_mini_judges_as_it_always_did() -> None:
    """Two clauses, their order, their words, and the batches that the encoder sees."""
    contract = load_suite(Path(__file__).parents[2] / "plugins/suites/mini.toml").contract_for("trec")
    encoder = Letters()
    validator = Validator(contract, encoder)
    original = "What is the good film ?"
    texts = [
        "What is the bad film ?",
        "Who was the bad film ?",
        "What is the the film ?",
        "zzzzzzzzzzzzzzzzzz is the good film ?",
    ]
    assert validator.admissible(original, texts) == [True, False, True, False]
    assert encoder.calls == [[original, texts[0], texts[2], texts[3]]]
    violations = [validator.check(original, text).violations for text in texts]
    assert [len(found) for found in violations] == [0, 1, 0, 1]
    assert violations[1] == ("perturbed words: 3 > 1",)
    assert violations[3][0].startswith("similarity: 0.")
    assert violations[3][0].endswith(" < 0.84")
    assert encoder.calls[1:] == [[original, text] for text in texts]
    both = validator.check(original, "z" * 60).violations
    assert [found.split(":")[0] for found in both] == ["perturbed words", "similarity"]
