"""Edits of texts against TextAttack's own class: words, texts, attributes, windows and errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark_plugins.attacks.quick_text import AttackedText, QuickText, Splitter, words_from_text

ODD = (
    "a", "the", "film's", "-", "--", "well-made", "'tis", "I", ",", ".", "!?", "“q”", "İ", "ß", "x@y", "_", "*b*", "S",
    "a.b", "u.s.", "O", "0", "`", "中文", "\x00", "\n", "  ", "é", "e\u0301", "🎬", "don’t", "SPLIT", "<SPLIT>",
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(ODD), max_size=12).map(" ".join))
WORDS = st.one_of(st.sampled_from(["", "two words", "x-y", " ", "a b c", *ODD]), st.text(max_size=4))
EDITS = st.lists(st.lists(st.tuples(st.integers(0, 30), WORDS), min_size=1, max_size=3), max_size=4)


def same(mine: Any, theirs: Any) -> None:
    assert mine.text == theirs.text
    assert mine.words == theirs.words
    assert mine.num_words == theirs.num_words
    assert mine.words_per_input == theirs.words_per_input
    assert hash(mine) == hash(theirs)
    assert mine == theirs
    assert mine.attack_attrs.keys() == theirs.attack_attrs.keys()
    for name in ("modified_indices", "newly_modified_indices", "original_index_map"):
        if name in theirs.attack_attrs:
            assert list(mine.attack_attrs[name]) == list(theirs.attack_attrs[name]), name
    if "previous_attacked_text" in theirs.attack_attrs:
        assert mine.attack_attrs["previous_attacked_text"].text == theirs.attack_attrs["previous_attacked_text"].text


def outcome(call: Any) -> Any:
    try:
        return call()
    except Exception as problem:
        return type(problem), str(problem)


@settings(max_examples=150, deadline=None)
@given(TEXTS, EDITS)
def test_a_chain_of_edits_is_what_the_library_makes_of_it(text: str, edits: list[list[tuple[int, str]]]) -> None:
    mine, theirs = QuickText(text), AttackedText(text)
    same(mine, theirs)
    for edit in edits:
        chosen = dict(edit)
        places, words = (
            [i for i in chosen if i <= len(theirs.words)],
            [chosen[i] for i in chosen if i <= len(theirs.words)],
        )
        before = outcome(lambda t=theirs: t.replace_words_at_indices(places, words))  # noqa: B023
        after = outcome(lambda t=mine: t.replace_words_at_indices(places, words))  # noqa: B023
        if isinstance(before, tuple):
            assert after == before
            return
        same(after, before)
        mine, theirs = after, before
        for i in range(theirs.num_words):
            assert mine._text_index_of_word_index(i) == theirs._text_index_of_word_index(i)
            assert mine.text_window_around_index(i, 4) == theirs.text_window_around_index(i, 4)
            assert mine.text_until_word_index(i) == theirs.text_until_word_index(i)
            assert mine.text_after_word_index(i) == theirs.text_after_word_index(i)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_a_splitter_finds_the_library_s_words(text: str) -> None:
    splitter = Splitter()
    assert splitter(text) == words_from_text(text)
    assert splitter(text) == words_from_text(text), "nor does what it remembers change them"


def test_plain_edits_stay_quick_and_others_are_the_library_s() -> None:
    text = QuickText("A film , well made .")
    other = text.replace_word_at_index(1, "two words").delete_word_at_index(0)
    assert isinstance(other, QuickText)
    assert other.text == "two words , well made ."
    assert other._splitter is text._splitter
    assert type(text.replace_word_at_index(1, "中文")) is AttackedText


@pytest.mark.parametrize("index", [-1, 7])
def test_a_place_without_a_word_is_the_library_s_error(index: int) -> None:
    mine, theirs = QuickText("one two"), AttackedText("one two")
    assert outcome(lambda: mine.replace_word_at_index(index, "x")) == outcome(
        lambda: theirs.replace_word_at_index(index, "x")
    )
    assert outcome(lambda: mine._text_index_of_word_index(index)) == outcome(
        lambda: theirs._text_index_of_word_index(index)
    )
