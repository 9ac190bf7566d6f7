"""Every clause on texts made by hand, the window against the built-in heads, and the lexicon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark import ModelRole
from benchmark.clauses import (
    Edit,
    Text,
    antonyms,
    frozen,
    hidden,
    length,
    perturbed,
    pushed_out,
    repeats,
    similarity,
    stop_words,
    words_of,
)
from benchmark.errors import AssetCorrupt, AssetMissing
from benchmark.window import cut_longest, read_characters, readable
from benchmark_plugins.attacks.wordnet import ANTONYM, parse_data
from benchmark_plugins.defenses.heads.tokens import Columns
from benchmark_plugins.models import lexicon, tiny_causal, tiny_random

STOPS = frozenset({"not", "the", "a", "don't"})
WORDS = ["good", "bad", "not", "Not", "the", "film", ".", "!", "\x00", "\ud800", "don’t", "a-b", "\x1e", "é"]
texts = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join) | st.text(st.characters(exclude_categories=()))


class Opposites:
    stop_words = STOPS

    def antonyms(self, word: str) -> frozenset[str]:
        return frozenset({"good": {"bad", "evil"}, "bad": {"good"}, "loved": {"hated"}}.get(word, ()))


def edit(original: str, adversarial: str) -> Edit:
    return Edit(Text(original), Text(adversarial))


# --- words and alignment ----------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(texts)
def test_places_are_those_of_the_words(text: str) -> None:
    found = Text(text)
    assert [found.columns[p.column][p.start : p.end] for p in found.places] == words_of(text) == found.words


@settings(deadline=None)
@given(texts, texts)
def test_kept_words_and_regions_make_up_both_texts(one: str, other: str) -> None:
    both = edit(one, other)
    old = sorted([i for i, _ in both.kept] + [i for region in both.regions for i in region.old])
    new = sorted([j for _, j in both.kept] + [j for region in both.regions for j in region.new])
    assert old == list(range(len(both.original.words)))
    assert new == list(range(len(both.adversarial.words)))
    assert all(both.original.words[i] == both.adversarial.words[j] for i, j in both.kept)
    assert sum(max(len(r.old), len(r.new)) for r in both.regions) <= both.distance


def test_edits_that_touch_are_one_region() -> None:
    regions = edit("a good film today", "a very fine film").regions
    assert [(list(r.old), list(r.new)) for r in regions] == [([1], [1, 2]), ([3], [])]


# --- clauses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "found"), [(2, None), (1, "perturbed words: 2 > 1")])
def test_perturbed_words(limit: int, found: str | None) -> None:
    assert perturbed(edit("a good film", "the bad film"), limit) == found


@pytest.mark.parametrize(
    ("before", "now", "longest", "found"),
    [
        (100, 150, 1.5, None),
        (100, 162, 1.5, "length: 1.62 > 1.5"),
        (1000, 1501, 1.5, "length: 1.51 > 1.5"),
        (20, 23, 1.15, None),
        (100, 1, 1.0, None),
        (0, 1, 1.0, None),
        (0, 2, 1.0, "length: 2.0 > 1.0"),
    ],
)
def test_length(before: int, now: int, longest: float, found: str | None) -> None:
    assert length(edit("x" * before, "y" * now), longest) == found


@pytest.mark.parametrize(
    ("original", "adversarial", "columns", "found"),
    [
        ("p one\x1eh one", "p one\x1eh two", (0,), None),
        ("p one\x1eh one", "p two\x1eh one", (0,), "frozen column 0 changed"),
        ("p one\x1eh one", "p one \x1eh one", (0,), "frozen column 0 changed"),
        ("p\x1eh", "q\x1ei", (0, 1), "frozen column 0 changed (and 1 more)"),
        ("p\x1eh", "p\x1eh\x1e", (0,), "columns: 3 instead of 2"),
        ("p\x1eh", "p h", (1,), "columns: 1 instead of 2"),
        ("p\x1eh", "p h q", (), None),
        ("p", "q", (1,), None),
        ("p", "q", (0,), "frozen column 0 changed"),
    ],
)
def test_frozen_columns(original: str, adversarial: str, columns: tuple[int, ...], found: str | None) -> None:
    assert frozen(edit(original, adversarial), columns) == found


@pytest.mark.parametrize(
    ("original", "adversarial", "found"),
    [
        ("it is not good", "it is now good", "stop word changed: 'not' -> 'now'"),
        ("it is Not good", "it is now good", "stop word changed: 'Not' -> 'now'"),
        ("it is not good", "it is NOT good", None),
        ("it is not good", "it is good", "stop word removed: 'not'"),
        ("it is not good", "it is n ot good", "stop word removed: 'not'"),
        ("it is not good", "it is not so good", None),
        ("it is good", "it is not good", None),
        ("it is good", "it was fine", None),
        ("I don’t", "I don't", None),
        ("I don’t", "I do", "stop word changed: 'don’t' -> 'do'"),
        ("I don't", "I do", "stop word changed: \"don't\" -> 'do'"),
        ("good the", "the fine", None),  # "the" has moved
        ("see the film a day", "see that film one day", "stop word changed: 'the' -> 'that' (and 1 more)"),
        ("a good film", "", "stop word removed: 'a'"),
    ],
)
def test_stop_words(original: str, adversarial: str, found: str | None) -> None:
    assert stop_words(edit(original, adversarial), STOPS) == found


@pytest.mark.parametrize(
    ("original", "adversarial", "found"),
    [
        ("a good film", "a bad film", "antonym: 'good' -> 'bad'"),
        ("a Good film", "a BAD film", "antonym: 'Good' -> 'BAD'"),
        ("a good film", "a fine film", None),
        ("a good film", "a badly film", None),
        ("I loved it", "I hated it", "antonym: 'loved' -> 'hated'"),  # only because this lexicon says so
        ("I hated it", "I loved it", None),
        ("a good film", "a bad nice film", "antonym: 'good' -> 'bad'"),
        ("a good film", "a nice bad film", "antonym: 'good' -> 'bad'"),
        ("a good old film", "a bad film", "antonym: 'good' -> 'bad'"),
        ("a good film", "a good bad film", None),  # good still stands
        ("good old bad", "evil old good", "antonym: 'good' -> 'evil' (and 1 more)"),
        ("good thing", "thing bad", None),  # two edits apart from each other: none is a substitution
    ],
)
def test_antonyms(original: str, adversarial: str, found: str | None) -> None:
    assert antonyms(edit(original, adversarial), Opposites()) == found


@pytest.mark.parametrize(
    ("original", "adversarial", "found"),
    [
        ("a very good film", "a very very film", "repeated word: 'very very'"),
        ("a very good film", "a Very very film", "repeated word: 'very very'"),
        ("very very good", "very very fine", None),
        ("very very good", "very very very good", "repeated word: 'very very'"),
        ("very good very nice", "very very nice", "repeated word: 'very very'"),
        ("so very very very good", "so very very fine", None),
        ("good .", "good . .", None),
        ("one film\x1ethe other", "one film\x1efilm other", None),
        ("one film the other", "one film film other", "repeated word: 'film film'"),
        ("a b c d", "a a c c", "repeated word: 'a a' (and 1 more)"),
    ],
)
def test_repeats(original: str, adversarial: str, found: str | None) -> None:
    assert repeats(edit(original, adversarial)) == found


def test_similarity() -> None:
    assert similarity(0.84, 0.84) is None
    assert similarity(0.83124, 0.84) == "similarity: 0.8312 < 0.84"


def first(characters: int) -> Callable[[str], tuple[int, ...]]:
    """A victim that reads this many characters of each column."""
    return lambda text: tuple(min(characters, len(column)) for column in text.split("\x1e"))


ONE_BEHIND = "truncation: 1 word of the original leaves the victim's window"
HIDDEN = "truncation: the edit lies behind the victim's window"


@pytest.mark.parametrize(
    ("original", "adversarial", "out", "behind"),
    [
        ("aa bb cc dd", "aa xx cc dd", None, None),
        ("aa bb cc", "aa bbbbb cc", ONE_BEHIND, None),
        ("aa bb cc", "xxx bb cc", ONE_BEHIND, None),  # the last letter of "cc" leaves
        ("aa bb c", "aa bb cc", None, None),
        ("aa bb cc", "xxxxxx aa bb cc", "truncation: 3 words of the original leave the victim's window", None),
        ("aa bb cc", "aa bb xxxxxx", ONE_BEHIND, None),  # what took its place is cut
        ("aa bb cc", "aa cc", None, None),
        ("aa bb cc", "aa bb cc dd", None, HIDDEN),
        ("aa bb cc dd", "aa bb cc xx", None, HIDDEN),
        ("aa bb cc dd", "aa bb cc", None, HIDDEN),
        ("aa bb cc dd", "aa bb dd", None, None),  # the word before it left, in sight
        ("aa bb cc dd", "xx bb cc xx", None, HIDDEN),
        ("aa\x1eaa bb cc dd", "aa\x1eaa bb cc xx", None, HIDDEN),
        ("aa bb cc\x1eaa", "aa bb cc\x1exx", None, None),
        ("aa bb cc dd", "aa bb cc  dd", None, None),  # no word changed
        ("", "aa", None, None),
        ("aa", "", None, None),
    ],
)
def test_truncation(original: str, adversarial: str, out: str | None, behind: str | None) -> None:
    window = first(8)
    both = edit(original, adversarial)
    assert pushed_out(both, window(original), window(adversarial)) == out
    assert hidden(both, window(original), window(adversarial)) == behind


def test_columns_beyond_the_window_are_not_read() -> None:
    assert hidden(edit("a\x1eb", "a\x1ec"), (1,), (1,)) == HIDDEN
    assert pushed_out(edit("a\x1eb", "c a\x1eb"), (1, 1), (3,)) == ONE_BEHIND


@settings(deadline=None)
@given(texts, texts, st.integers(0, 9))
def test_no_text_makes_a_clause_stumble(one: str, other: str, read: int) -> None:
    both, window = edit(one, other), first(read)
    found = [
        perturbed(both, 1),
        length(both, 1.2),
        frozen(both, (0, 2)),
        stop_words(both, STOPS),
        antonyms(both, Opposites()),
        repeats(both),
        pushed_out(both, window(one), window(other)),
        hidden(both, window(one), window(other)),
    ]
    for violation in found:
        assert violation is None or (len(violation) < 160 and violation.isprintable() and violation.encode("utf-8"))
    if one == other:
        assert found == [None] * 8


def test_long_words_are_cut_in_a_violation() -> None:
    found = stop_words(edit("not", "x" * 5000), STOPS)
    assert found == f"stop word changed: 'not' -> '{'x' * 39}…'"


# --- the window -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[tiny_random, tiny_causal], ids=lambda module: str(module.MODEL.name))
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.param.MODEL.load(None).tokenizer


@settings(deadline=None)
@given(data=st.data(), max_length=st.integers(0, 24))
def test_the_window_is_what_the_built_in_heads_read(tokenizer: Any, data: st.DataObject, max_length: int) -> None:
    pieces = ["film", "unbelievable", "[MASK]", "[UNK]", "[SEP]", "\x1e", ".", " ", "é", "\x00", "\ud800", "中"]
    text = "".join(data.draw(st.lists(st.sampled_from(pieces), max_size=14)))
    read = read_characters(tokenizer, max_length)(text)
    heads = Columns(tokenizer)
    kept = [place for place in heads.row(readable(text), max_length).text if place >= 0]
    columns = readable(text).split("\x1e")
    assert len(read) == len(columns)
    tokens = 0  # of the columns before
    for column, characters in zip(columns, read, strict=True):
        ends = [end for _, end in heads.tokens.spans(column)]
        of_column = [place - tokens for place in kept if tokens <= place < tokens + len(ends)]
        if len(of_column) == len(ends):
            assert characters == len(column) or not (ends or characters)
        else:
            assert characters == (ends[len(of_column) - 1] if of_column else 0)
        tokens += len(ends)


def test_the_window_by_hand() -> None:
    tokenizer = tiny_random.MODEL.load(None).tokenizer  # type: ignore[arg-type]
    window = read_characters(tokenizer, 5)  # three tokens between [CLS] and [SEP]
    assert window("a good film") == (11,)
    assert window("a good film  ") == (13,)
    assert window("a good film ever") == (11,)
    assert window("a films film") == (12,)
    assert window("a filmed film") == (8,)  # film ##ed
    assert window("[MASK] [MASK] a good") == (15,)
    assert window("a good film\x1ea film") == (1, 1)  # two tokens and a separator
    assert window("") == (0,)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(-2, 40))
def test_the_longest_column_is_cut(lengths: list[int], room: int) -> None:
    kept = list(lengths)
    while sum(kept) > max(0, room):
        kept[kept.index(max(kept))] -= 1
    assert cut_longest(lengths, room) == kept


# --- the lexicon ------------------------------------------------------------------------------------------------------

ADJ = """\
  licence
00000100 00 a 02 good 0 right(p) 0 002 ! 00000200 a 0101 & 00000300 a 0000 | fine
00000200 00 a 01 bad 0 001 ! 00000100 a 0101 | poor
00000300 00 a 02 well_made 0 sound 0 001 ! 00000400 a 0101 | whole
00000400 00 a 02 ill_made 0 unsound 0 001 ! 00000300 a 0202 | broken
"""
INDEX = """\
  licence
good a 1 1 ! 1 0 00000100
right a 1 1 ! 1 0 00000100
bad a 1 1 ! 1 0 00000200
well_made a 1 1 ! 1 0 00000300
sound a 1 1 ! 1 0 00000300
ill_made a 1 1 ! 1 0 00000400
unsound a 1 1 ! 1 0 00000400
"""


class OneFolder:
    """Resources that hold the text above as ``adj`` and make derived folders in one place."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.built = folder, 0

    def read(self, asset: Any, member: str) -> bytes:
        name = member.rsplit("/", 1)[-1]
        return {"data.adj": ADJ, "index.adj": INDEX}.get(name, "").replace("\n", "\r\n").encode()

    def derived(self, name: str, inputs: Any, build: Callable[[Path], None]) -> Path:
        if not any(self.folder.iterdir()):
            self.built += 1
            build(self.folder)
        return self.folder


def test_the_lexicon_has_direct_antonyms_of_single_words(tmp_path: Path) -> None:
    resources = OneFolder(tmp_path)
    for _ in range(2):
        found = lexicon.load(resources)  # type: ignore[arg-type]
        assert (found.antonyms("good"), found.antonyms("bad")) == ({"bad"}, {"good"})
        assert found.antonyms("right") == frozenset()  # only shares a synset with good
        assert (found.antonyms("sound"), found.antonyms("unsound")) == ({"unsound"}, {"sound"})
        assert found.antonyms("well_made") == found.antonyms("film") == frozenset()
        assert {"not", "no", "nor", "the"} <= found.stop_words
        assert len(found.stop_words) == 266
    assert resources.built == 1
    (tmp_path / lexicon.FILE).write_text("good bad\nlonely")
    with pytest.raises(AssetCorrupt, match="pairs"):
        lexicon.load(resources)  # type: ignore[arg-type]


def test_the_lexicon_is_registered_with_a_revision_of_everything_it_holds() -> None:
    from benchmark.registry import load_registry

    model = load_registry().get("model", "wordnet-lexicon").item
    assert model.role is ModelRole.LEXICON
    assert [asset.name for asset in model.assets] == ["wordnet"]
    assert all(asset.sha256 in model.revision for asset in model.assets)
    assert lexicon.stopwords.SHA256 in model.revision


def test_the_real_lexicon_is_wordnets() -> None:
    from benchmark import open_resources

    resources = open_resources(progress=False)
    try:
        found = resources.model("wordnet-lexicon")
    except AssetMissing as problem:
        pytest.skip(f"the archives are not in BENCH_CACHE: {problem}")
    assert {"bad", "evil"} <= found.antonyms("good")
    assert found.antonyms("hot") == {"cold"}
    assert "hate" in found.antonyms("love")
    assert found.antonyms("film") == frozenset()
    data = resources.read(lexicon.WORDNET, f"{lexicon.WORDNET_FOLDER}/data.adj").decode("utf-8")
    synsets = {synset.offset: synset for synset in parse_data(data, "adj")}
    pairs = [
        (synset.words[p.source - 1], synsets[p.offset].words[p.target - 1])
        for synset in synsets.values()
        for p in synset.pointers
        if p.symbol == ANTONYM and p.source and p.target
    ]
    single = [(a, b) for a, b in pairs if "_" not in a + b]
    assert len(single) > 3000
    assert all(b in found.antonyms(a) and a in found.antonyms(b) for a, b in single)
