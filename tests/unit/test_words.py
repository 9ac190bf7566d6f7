"""Ids word by word are the tokenizer's own, for any text; where they might not be, no word is kept."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.resources import open_resources
from benchmark_plugins.defenses.heads import tokens
from benchmark_plugins.defenses.heads.tokens import TextTokenizer, reads_words_alone
from benchmark_plugins.models import tiny_causal, tiny_random

ODD = st.sampled_from(
    [*"aZ9.,'-_#@", " ", "  ", "\t", "\n", "\r", "\x00", "\x1e", "\u00a0", "\u2003", "\u200b", "\u200d", "\ufeff",
     "\ufffd", "\u0301", "\u0323", "\u0345", "e\u0301", "\u00e9", "\u1e9b\u0323", "\u03a3", "\u0130", "\u0131",
     "\ufb01", "\u4e2d", "\u6587", "\uac00", "\u1100", "\u3042", "\u0e33", "\U0001f600", "\u202e", "[MASK]", "[UNK]",
     "[SEP]", "##ing", "film", "unbelievable", "a" * 101]
)  # fmt: skip
TEXTS = st.lists(ODD | st.characters(exclude_categories=("Cs",)), max_size=30).map("".join)


def plain(tokenizer: Any) -> TextTokenizer:
    """One that asks the tokenizer for every text as a whole."""
    made = TextTokenizer(tokenizer)
    made._words = None
    return made


def check(tokenizer: Any, examples: int) -> None:
    kept, whole = TextTokenizer(tokenizer), plain(tokenizer)
    assert kept._words is not None

    @settings(max_examples=examples, deadline=None)
    @given(TEXTS, st.booleans())
    def equal(text: str, spaced: bool) -> None:
        expected = whole(text, spaced)
        assert kept(text, spaced) == expected
        assert kept(text, spaced) == expected, "from what is kept"

    equal()


def test_words_between_spaces_have_the_ids_of_the_whole_text() -> None:
    check(tiny_random.load(None).tokenizer, 150)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_same_of_a_real_vocabulary() -> None:
    check(open_resources(progress=False).fresh_model("minilm-mlm").tokenizer, 1000)


def byte_level() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE({c: n for n, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token=None)


def with_phrase() -> Any:
    tokenizer = tiny_random.load(None).tokenizer  # type: ignore[arg-type]
    tokenizer.add_tokens(["good film"])
    return tokenizer


def unsplit() -> Any:
    """WordPiece whose pre-tokenizer leaves blanks alone."""
    from tokenizers import pre_tokenizers

    tokenizer = copy.deepcopy(tiny_random.load(None).tokenizer)  # type: ignore[arg-type]
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Punctuation()
    return tokenizer


@pytest.mark.parametrize("make", [byte_level, with_phrase, unsplit])
def test_a_tokenizer_that_reads_across_spaces_is_asked_for_whole_texts(make: Any) -> None:
    tokenizer = make()
    assert not reads_words_alone(tokenizer)
    expected = tokenizer("a good film", add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert TextTokenizer(tokenizer)("a good film") == expected
    by_word = [i for word in ("a", "good", "film") for i in tokenizer(word, add_special_tokens=False)["input_ids"]]
    assert expected != by_word, "this tokenizer would not show the fault"


def test_wordpiece_of_a_causal_model_counts_too() -> None:
    assert reads_words_alone(tiny_causal.load(None).tokenizer)  # type: ignore[arg-type]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "WORDS", 4)
    tokenizer = tiny_random.load(None).tokenizer  # type: ignore[arg-type]
    made, whole = TextTokenizer(tokenizer), plain(tokenizer)
    for text in ("a dull film", "the plot is thin", "a plot", "one two three four five six", "a b", "a b"):
        assert made(text) == whole(text)
        assert made._words is not None
        assert len(made._words) <= max(4, len(set(text.split())))
