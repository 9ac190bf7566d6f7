"""pwws and the WordNet swap: against nltk's reader and the library's own attack, over a small WordNet written here."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import recipe_toys as toys

from benchmark import AttackState, BudgetExhausted, Example, Track
from benchmark.errors import AssetMissing
from benchmark_plugins.attacks.stopwords import stop_words
from benchmark_plugins.attacks.textattack_env import import_textattack

LICENCE = "  1 A licence line.  \n"
PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
TEXTS = toys.sentences(24, seed=3)


class AnyText(toys.AnyText):
    def __init__(self, candidates: int = 1000, track: Track = Track.NATIVE, **rest: Any) -> None:
        super().__init__(candidates, **rest)
        self.track = track


# --- a WordNet of a few lines -------------------------------------------------------------------------------------

Groups = dict[str, list[tuple[str, ...]]]
HAND: Groups = {
    "noun": [("film", "Movie", "motion_picture"), ("film", "coat"), ("leaf",), ("Paris", "City_of_Light")],
    "verb": [("film", "shoot"), ("go", "travel"), ("shoot", "hit")],
    "adj": [("great", "big(p)", "U.S."), ("great", "super", "big")],
    "adv": [],
}


def files(groups: Groups, exceptions: dict[str, str] | None = None) -> dict[str, str]:
    """Database files with LF, so that an offset is a byte position; senses of a word in the order of the groups."""
    made = {"lexnames": "".join(f"{i:02d}\tname{i}\t1\n" for i in range(45))}
    for part, letter in PARTS.items():
        data, senses = LICENCE, {}  # type: ignore[var-annotated]
        for words in groups[part]:
            offset = f"{len(data.encode()):08d}"
            listed = " ".join(f"{word} 0" for word in words)
            frames = "01 + 01 00 " if part == "verb" else ""
            data += f"{offset} 00 {letter} {len(words):02x} {listed} 000 {frames}| a gloss  \n"
            for word in words:
                senses.setdefault(word.split("(")[0].lower(), []).append(offset)
        lines = (f"{w} {letter} {len(at)} 0 {len(at)} 0 {' '.join(at)}  \n" for w, at in sorted(senses.items()))
        made |= {f"data.{part}": data, f"index.{part}": LICENCE + "".join(lines), f"{part}.exc": ""}
    return made | (exceptions or {})


def reader(made: dict[str, str], end: str = "\n") -> Callable[[str], bytes]:
    return lambda name: made[name].replace("\n", end).encode()


def nltk_wordnet(folder: Path, made: dict[str, str], monkeypatch: pytest.MonkeyPatch, end: str = "\n") -> Any:
    """nltk's own reader of the files, kept from looking for other versions of WordNet."""
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    folder.mkdir(exist_ok=True)
    for name in made:
        (folder / name).write_bytes(reader(made, end)(name))
    monkeypatch.setattr(nltk.data, "path", [*nltk.data.path, str(folder)])
    monkeypatch.setattr(WordNetCorpusReader, "map_wn", lambda *_: {})
    monkeypatch.setattr(WordNetCorpusReader, "langs", lambda *_: ["eng"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WordNetCorpusReader(str(folder), None)


def library_swap(corpus: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library's WordSwapWordNet over a reader."""
    import_textattack()
    import nltk
    from textattack.transformations import WordSwapWordNet
    from textattack.transformations.word_swaps import word_swap_wordnet

    monkeypatch.setattr(nltk, "download", lambda *_: False)
    monkeypatch.setattr(word_swap_wordnet, "wordnet", corpus)
    return WordSwapWordNet()


def swap_of(made: dict[str, str], end: str = "\n", cap: int | None = None) -> Any:
    from benchmark_plugins.attacks.synsets import WordNetSwap, read_synsets

    return WordNetSwap(read_synsets(reader(made, end)), cap)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_substitutes_by_hand(end: str) -> None:
    made = files(HAND, {"noun.exc": "leaves leaf\n", "verb.exc": "went go\nshot shoot\n"})
    swap = swap_of(made, end)
    words = swap._get_replacement_words
    assert words("film") == ["Movie", "coat", "shoot"]
    assert words("films") == ["Movie", "coat", "film", "shoot"]
    assert words("filming") == ["film", "shoot"]
    assert words("Film") == ["Movie", "coat", "film", "shoot"]  # as in the library: another case is another word
    assert words("paris") == ["Paris"]
    assert words("Paris") == []  # phrases are left out
    assert words("went") == ["go", "travel"]
    assert words("leaves") == ["leaf"]
    assert words("greatest") == ["big", "great", "super"]  # "U.S." is two words
    assert words("unknown") == []
    assert words("") == []


def test_a_cap_keeps_the_first_senses() -> None:
    made = files(HAND)
    # First senses: film, Movie (noun) and shoot (verb); the noun's second sense has coat.
    assert swap_of(made, cap=2)._get_replacement_words("film") == ["Movie", "shoot"]
    assert swap_of(made, cap=1)._get_replacement_words("film") == ["Movie"]


def test_line_ends_mislead_the_library_and_not_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = files(HAND)
    theirs = library_swap(nltk_wordnet(tmp_path / "lf", made, monkeypatch), monkeypatch)
    for word in ("film", "films", "Paris", "shoot", "big"):
        assert sorted(theirs._get_replacement_words(word)) == swap_of(made, "\r\n")._get_replacement_words(word)
    broken = library_swap(nltk_wordnet(tmp_path / "crlf", made, monkeypatch, "\r\n"), monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(AttributeError, match="NoneType"):  # no synset where the index points to
            broken._get_replacement_words("film")


def test_the_table_comes_back_from_the_disk(tmp_path: Path) -> None:
    from benchmark_plugins.attacks.synsets import load_synsets, read_synsets

    made = files(HAND, {"verb.exc": "went go\n"})
    builds: list[str] = []

    def derived(name: str, inputs: dict[str, Any], build: Callable[[Path], None]) -> Path:
        if not builds:
            builds.append(name)
            build(tmp_path)
        return tmp_path

    resources: Any = SimpleNamespace(read=lambda asset, member: reader(made)(member.rsplit("/", 1)[1]), derived=derived)
    first, second = load_synsets(resources), load_synsets(resources)
    assert first == second == read_synsets(reader(made))
    assert first.substitutes("went") == ["go", "travel"]
    assert builds == ["wordnet-synsets"]


@pytest.mark.slow
def test_all_of_wordnet_agrees_with_nltk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark import open_resources
    from benchmark_plugins.assets import WORDNET
    from benchmark_plugins.attacks.embedding import WORDNET_FOLDER
    from benchmark_plugins.attacks.synsets import WordNetSwap, load_synsets

    resources = open_resources()
    names = [*(f"{kind}.{p}" for kind in ("data", "index") for p in PARTS), *(f"{p}.exc" for p in PARTS), "lexnames"]
    try:
        made = {n: resources.read(WORDNET, f"{WORDNET_FOLDER}/{n}").decode().replace("\r\n", "\n") for n in names}
    except AssetMissing:
        pytest.skip("WordNet is not in the cache")
    theirs = library_swap(nltk_wordnet(tmp_path / "real", made, monkeypatch), monkeypatch)
    synsets = load_synsets(resources)
    rng = random.Random(1)
    words = [word for part in PARTS for word in rng.sample(sorted(synsets.senses[part]), 150)]
    words += [word + end for word in words[:300] for end in ("s", "ing", "est")]
    words += [form for part in PARTS for form in list(synsets.exceptions[part])[::60]]
    ours = WordNetSwap(synsets)
    assert [w for w in words if sorted(theirs._get_replacement_words(w)) != ours._get_replacement_words(w)] == []


# --- the attack ---------------------------------------------------------------------------------------------------


def toy_groups() -> Groups:
    """Each word of the toy vocabulary in two groups of four, so that words share some substitutes."""
    rng = random.Random(4)
    lists: Groups = {"noun": [], "verb": [], "adj": [], "adv": []}
    for part in ("noun", "verb"):
        words = list(toys.CONTENT)
        rng.shuffle(words)
        lists[part] = [tuple(words[i : i + 4]) for i in range(0, len(words), 4)]
    return lists


def build(monkeypatch: pytest.MonkeyPatch, contract: Any = None, **options: Any) -> Any:
    from benchmark_plugins.attacks import synsets
    from benchmark_plugins.attacks.recipes.pwws import ATTACK

    table = synsets.read_synsets(reader(files(toy_groups())))
    monkeypatch.setattr(synsets, "load_synsets", lambda resources: table)
    return ATTACK.build(ATTACK.options(**options), None, contract or AnyText(), None)


def test_pwws_says_what_it_is() -> None:
    from benchmark_plugins.attacks.recipes.pwws import ATTACK

    assert (ATTACK.display, ATTACK.state, ATTACK.models) == ("pwws+fix", AttackState.FIXED, ())


def test_pwws_equals_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = build(monkeypatch)
    theirs = library_swap(nltk_wordnet(tmp_path / "toy", files(toy_groups()), monkeypatch), monkeypatch)
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.search_methods import GreedyWordSwapWIR

    def parts(victim: Any) -> tuple[list[Any], Any, Any]:
        rules = [RepeatModification(), StopwordModification(stopwords=stop_words())]
        return rules, theirs, GreedyWordSwapWIR("weighted-saliency", unk_token=victim.unknown_token)

    found = []
    for text in TEXTS:
        classifier = toys.Toy()
        label = toys.label_of(classifier, text)
        mine = toys.ours(run, classifier, text, label)
        assert mine == toys.library(parts, classifier, text, label), text
        found.append(mine[0])
    assert 5 <= sum(text is not None for text in found) <= 24
    assert toys.ours(run, toys.Toy(bias=99.0), TEXTS[0], 1) == toys.library(parts, toys.Toy(bias=99.0), TEXTS[0], 1)


def test_weighted_saliency_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ties go from left to right, a word without substitutes comes last, and the size of a list changes nothing."""
    from benchmark_plugins.attacks import synsets
    from benchmark_plugins.attacks.recipes.pwws import ATTACK

    groups: Groups = {"noun": [("aa", "xx"), ("bb", "yy"), ("cc", "zz")], "verb": [], "adj": [], "adv": []}
    table = synsets.read_synsets(reader(files(groups)))
    weights = {"aa": 0.1, "xx": 0.0, "bb": 0.1, "yy": 0.0, "cc": 0.1, "zz": -0.1, "dd": 0.3, "[UNK]": 0.05}

    class Weighted(toys.Toy):
        def logits(self, texts: Any) -> Any:
            self.calls.append(list(texts))
            scores = [1.0 + sum(weights[w] for w in text.split()) for text in texts]
            return np.array([(-s, s) for s in scores], dtype=np.float32).reshape(-1, 2)

    orders = []
    for chunk in (128, 1):
        monkeypatch.setattr(synsets, "load_synsets", lambda resources: table)
        monkeypatch.setattr("benchmark_plugins.attacks.search.CHUNK", chunk)
        run = ATTACK.build(ATTACK.options(), None, AnyText(), None)
        classifier = Weighted()
        assert toys.ours(run, classifier, "aa bb cc dd", 1) == (None, 1 + 4 + 3 + 3)
        orders.append([text for call in classifier.calls for text in call])
    assert orders[0] == orders[1]
    ranked = orders[0][8:]
    # cc gains most, and its text is known already; aa and bb are equal.
    assert ranked == ["xx bb zz dd", "xx yy zz dd"]


def test_pwws_stays_within_contract_budget_and_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    run = build(monkeypatch)
    for budget in (1, 2, 10):
        victim = toys.counter(toys.Toy(bias=9.0), budget)
        with pytest.raises(BudgetExhausted):
            run.attack(victim, Example("x", TEXTS[0], 1), 0)
        assert victim.queries <= budget
    words = len(TEXTS[0].split())
    for track, cap, least in ((Track.CONTRACT, 1, 1), (Track.CONTRACT, 2, 2), (Track.NATIVE, 1, 3)):
        capped = build(monkeypatch, AnyText(cap, track))
        queries = toys.ours(capped, toys.Toy(bias=99.0), TEXTS[0], 1)[1]
        spent = queries - 1 - words
        assert (spent <= 2 * words * cap) if track is Track.CONTRACT else (spent > 2 * words * cap)
        assert spent >= words * least
    refused = build(monkeypatch, AnyText(allow=lambda old, new: False))
    assert toys.ours(refused, toys.Toy(bias=9.0), TEXTS[0], 1) == (None, 1 + words)


def test_pwws_does_not_depend_on_what_ran_before_and_survives_odd_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    run = build(monkeypatch)
    alone = toys.ours(run, toys.Toy(), TEXTS[1], toys.label_of(toys.Toy(), TEXTS[1]))
    for text in ("", " -- !?", "😀", "\x00", "شيء ما", TEXTS[0] + "\x00 😀"):
        toys.ours(run, toys.Toy(bias=3.0), text, 1)
    assert toys.ours(run, toys.Toy(), TEXTS[1], toys.label_of(toys.Toy(), TEXTS[1])) == alone
    assert toys.ours(run, toys.Toy(bias=-99.0), TEXTS[1], 1) == (None, 1)  # wrong already
