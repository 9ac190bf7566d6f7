"""The parts of the built-in attacks, on hand-made input. The first test that needs it imports textattack (10 s)."""

from __future__ import annotations

import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark import BudgetExhausted, Example
from benchmark.errors import BadData
from benchmark_plugins import attacks
from benchmark_plugins.attacks.stopwords import SHA256, stop_words
from benchmark_plugins.attacks.tagger import Query, SpacyTagger, universal
from benchmark_plugins.attacks.wordnet import parse_data, parse_index, relations

# --- helpers ------------------------------------------------------------------------------------------------------


class ToyVictim:
    """Counts words of a list: class 1 when there are more good than bad characters of evidence."""

    num_labels = 2
    mask_token = "<mask>"
    unknown_token = "<oov>"

    def __init__(self, weights: dict[str, float], bias: float = 0.0, budget: int | None = None) -> None:
        self.weights, self.bias, self.budget = weights, bias, budget
        self.asked: list[str] = []

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.budget is not None and len(self.asked) + len(texts) > self.budget:
            raise BudgetExhausted("spent")
        self.asked += texts
        scores = [self.bias + sum(self.weights.get(w, 0.0) for w in t.replace(".", " ").split()) for t in texts]
        return np.array([[-s, s] for s in scores], dtype=np.float32).reshape(-1, 2)


class AnyText:
    """A contract that lets through what ``allow`` says, and remembers what it was asked."""

    def __init__(self, candidates: int = 50, allow: Callable[[str], bool] = lambda text: True) -> None:
        self.candidates, self.allow = candidates, allow
        self.originals: list[str] = []

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        self.originals.append(original)
        return [self.allow(text) for text in candidates]


def example(text: str, label: int = 1, name: str = "x") -> Example:
    return Example(name, text, label)


def deepwordbug(contract: Any = None, **options: Any) -> Any:
    from benchmark_plugins.attacks.recipes.deepwordbug import ATTACK

    return ATTACK.build(ATTACK.options(**options), None, contract or AnyText(), None)


def swaps(table: dict[str, list[str]], search: str = "delete", constraints: Sequence[Any] = ()) -> Any:
    """A run whose substitutes are written in a table."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.transformations import WordSwap

    from benchmark_plugins.attacks.runner import TextAttackRun
    from benchmark_plugins.attacks.search import SteadyWIR

    class TableSwap(WordSwap):
        def _get_replacement_words(self, word: str) -> list[str]:
            return table.get(word, [])

    return TextAttackRun(
        lambda victim: ([RepeatModification(), *constraints], TableSwap(), SteadyWIR(search, victim.unknown_token))
    )


# --- without textattack -------------------------------------------------------------------------------------------


def test_registering_loads_no_heavy_library() -> None:
    code = (
        "import sys; from benchmark_plugins import attacks; found = []; attacks.register_attacks(found.append);"
        "heavy = {'torch', 'textattack', 'spacy', 'nltk', 'OpenAttack'} & set(sys.modules);"
        "print({'textfooler', 'bae', 'deepwordbug'} <= {a.name for a in found}, sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


def test_display_names_and_models() -> None:
    found: dict[str, Any] = {}
    attacks.register_attacks(lambda attack: found.__setitem__(attack.name, attack))
    assert found["textfooler"].display == "textfooler[cf-glove50,muse,spacy]"
    assert found["textfooler"].models == ("muse-v3",)
    assert found["bae"].display == "bae[minilm-mlm,muse,spacy]"
    assert found["bae"].models == ("muse-v3", "minilm-mlm")
    assert found["deepwordbug"].assets == ()
    for attack in found.values():
        assert all(f.description for f in attack.options.model_fields.values()), attack.name
        stops = attack.parameters.get("stop words", "")
        if re.search(r"\d+ words", stops):  # a list is named with its digest; some attacks have none
            assert SHA256 in stops, attack.name
    assert all(SHA256 in found[name].parameters["stop words"] for name in ("textfooler", "bae", "deepwordbug"))


def test_published_thresholds_are_the_conversions_they_claim() -> None:
    from benchmark_plugins.attacks.recipes.bae import BaeOptions
    from benchmark_plugins.attacks.recipes.textfooler import TextFoolerOptions

    assert TextFoolerOptions().threshold == pytest.approx(1 - 0.5 / math.pi, abs=1e-8)
    assert BaeOptions().threshold == pytest.approx(1 - 0.2 / math.pi, abs=1e-8)


def test_stop_words() -> None:
    words = stop_words()
    assert len(words) == len(set(words)) == 266
    assert list(words) == sorted(words)
    assert {"no", "not", "nor", "the"} <= set(words)
    assert not {"have", "be", "good"} & set(words)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("NN", "NOUN"), ("NNPS", "NOUN"), ("VBD", "VERB"), ("MD", "VERB"), ("JJR", "ADJ"), ("RBS", "ADV"),
        ("WRB", "ADV"), ("RP", "PRT"), ("PRP$", "PRON"), ("WP", "PRON"), ("WDT", "DET"), ("IN", "ADP"), ("CC", "CONJ"),
        ("CD", "NUM"), (",", "."), ("-LRB-", "."), ("``", "."), ("FW", "X"), ("SYM", "X"), ("", "X"),
    ],
)  # fmt: skip
def test_universal_tags(tag: str, expected: str) -> None:
    assert universal(tag) == expected


def test_universal_tags_agree_with_nltk() -> None:
    tagset = pytest.importorskip("nltk.tag.mapping")
    try:
        table = tagset.tagset_mapping("en-ptb", "universal")
    except LookupError:
        pytest.skip("nltk's universal_tagset is not installed")
    assert {t: universal(t) for t in table if "|" not in t} == {t: u for t, u in table.items() if "|" not in t}


def test_a_window_is_the_word_in_the_middle_of_what_its_tag_depends_on() -> None:
    words = tuple("abcdefghijkl")
    assert Query(words, 5).window() == tuple("bcdefghij")
    assert Query(words, 1).window() == (None, None, None, *"abcdef")
    assert Query(words, 10).window() == (*"ghijkl", None, None, None)
    assert Query(("a",), 0).window() == (None,) * 4 + ("a",) + (None,) * 4


def test_tagger_reads_the_tag_by_position_and_remembers() -> None:
    seen: list[Any] = []

    class ByPlace:
        """NN for a word with an even number of words before it and VB for another: equal words differ by place."""

        def tags(self, windows: Sequence[Any]) -> list[str]:
            seen.extend(windows)
            return ["VB" if window[:4].count(None) % 2 else "NN" for window in windows]

    tagger = SpacyTagger(ByPlace(), capacity=3)
    words = ("run", "run", "run")
    assert tagger.tags([Query(words, 0), Query(words, 1), Query(words, 0)]) == ["NOUN", "VERB", "NOUN"]
    assert tagger.tags([Query(words, 1)]) == ["VERB"]
    assert len(seen) == 2
    assert tagger.tags([Query((*words, *words), i) for i in range(5)]) == ["NOUN", "VERB", "NOUN", "VERB", "NOUN"]
    assert len(seen) == 7
    assert len(tagger._cache) == 3
    assert tagger.tags([Query((*words, *words), 4), Query(words, 0)]) == ["NOUN", "NOUN"], "one kept, one forgotten"
    assert len(seen) == 8
    assert tagger.tags([]) == []


ADJ = "\n".join(
    [
        "  1 A licence line.  ",
        '00000100 00 a 02 hot 0 warm(p) 1 001 ! 00000200 a 0101 | of high temperature; "a | b"  ',
        "00000200 00 a 02 cold 0 chilly 0 002 ! 00000100 a 0101 & 00000300 a 0000 | of low temperature  ",
        "00000300 00 s 02 warm 0 hot 1 001 & 00000200 a 0000 | psychologically  ",
        "00000400 00 s 02 Red_Hot 0 hot 2 000 | very  ",
        "",
    ]
)
INDEX = "\n".join(
    [
        "  1 A licence line.  ",
        "chilly a 1 0 1 0 00000200  ",
        "cold a 1 1 ! 1 1 00000200  ",
        "hot a 3 1 ! 3 1 00000100 00000300 00000400  ",
        "red_hot a 1 0 1 0 00000400  ",
        "warm a 2 0 2 1 00000300 00000100  ",
        "",
    ]
)


def wordnet_files(end: str) -> Callable[[str], bytes]:
    files = {"data.adj": ADJ, "index.adj": INDEX}
    return lambda name: files.get(name, "").replace("\n", end).encode()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_wordnet_pairs_do_not_depend_on_line_ends(end: str) -> None:
    words = frozenset({"hot", "warm", "cold", "chilly", "red_hot"})
    found = relations(wordnet_files(end), words, senses=3)
    assert found.antonyms == (("cold", "hot"),)
    assert found.synonyms == (("chilly", "cold"), ("hot", "red_hot"), ("hot", "warm"))
    # One sense each: hot's is 100 and warm's is 300, and red_hot is hot's third.
    assert relations(wordnet_files(end), words, senses=1).synonyms == (("chilly", "cold"),)
    assert relations(wordnet_files(end), frozenset({"hot", "warm"}), senses=3).antonyms == ()


def test_wordnet_lines() -> None:
    first, *_, last = parse_data(ADJ.replace("\n", "\r\n"), "adj")
    assert first.words == ("hot", "warm")
    assert first.pointers[0][:] == ("!", 200, "adj", 1, 1)
    assert last.words == ("red_hot", "hot")
    assert parse_index(INDEX)["hot"] == (100, 300, 400)
    with pytest.raises(BadData, match=r"data\.adj, line 2"):
        list(parse_data("  licence\n00000100 00 a zz hot\n", "adj"))


def test_read_glove_keeps_single_plain_words() -> None:
    from benchmark_plugins.attacks.embedding import read_glove

    lines = [f"{w} 1.0 -2.5\n" for w in ("the", "...", "u.s.", "a", "naïve", "don't", "film", "1st", "later")]
    assert read_glove(iter(lines), 2) == (["the", "film"], [[1.0, -2.5], [1.0, -2.5]])


def test_counter_fitting_moves_pairs_and_leaves_others() -> None:
    from benchmark_plugins.attacks.counterfit import Settings, counter_fit

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(8, 16)).astype(np.float32)
    vectors[1] = vectors[0] + 0.1 * vectors[1]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    antonyms, synonyms = np.array([[0, 1]]), np.array([[2, 3]])
    fitted = counter_fit(vectors, synonyms, antonyms, Settings())
    assert fitted.shape == vectors.shape
    np.testing.assert_allclose(np.linalg.norm(fitted, axis=1), 1, atol=1e-6)
    assert fitted[0] @ fitted[1] < 0.3 < 0.9 < unit[0] @ unit[1]
    assert fitted[2] @ fitted[3] > 0.95
    np.testing.assert_allclose(fitted[4:], unit[4:], atol=1e-6)
    np.testing.assert_array_equal(fitted, counter_fit(vectors, synonyms, antonyms, Settings()))


def test_neighbours_start_with_the_word_itself_and_agree_with_a_full_sort() -> None:
    from benchmark_plugins.attacks.counterfit import nearest

    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(30, 5)).astype(np.float32)
    vectors[7] = vectors[3]  # two words with one vector: each must still be its own first neighbour
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    table = nearest(vectors, 4)
    assert table[:, 0].tolist() == list(range(30))
    assert table[3, 1] == 7
    assert table[7, 1] == 3
    for i in range(30):
        others = sorted((j for j in range(30) if j != i), key=lambda j: (-round(float(vectors[i] @ vectors[j]), 5), j))
        assert table[i, 1:].tolist() == others[:4]


# --- with textattack ----------------------------------------------------------------------------------------------


def test_import_needs_no_network_and_leaves_the_process_alone(tmp_path: Any) -> None:
    code = """
import logging, os, socket
def refuse(*args, **kwargs):
    raise AssertionError("the network was touched")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
mine = logging.getLogger("mine")
from benchmark_plugins.attacks.textattack_env import import_textattack
import_textattack()
import nltk, textattack
names = ("TA_CACHE_DIR", "HF_HOME", "XDG_CACHE_HOME", "TFHUB_CACHE_DIR", "TOKENIZERS_PARALLELISM", "HF_HUB_OFFLINE")
assert not [name for name in names if name in os.environ]
assert not mine.disabled
assert type(nltk.corpus.stopwords).__name__ == "LazyCorpusLoader"
assert not os.path.exists(os.path.expanduser("~/.cache/textattack"))
print("imported", textattack.name)
"""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**kept, "HOME": str(tmp_path)}, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "imported textattack"


def test_probabilities_are_those_of_the_victim_and_are_not_softmaxed_again() -> None:
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.goal_functions import UntargetedClassification
    from textattack.shared import AttackedText

    from benchmark_plugins.attacks.runner import VictimWrapper, probabilities

    logits = np.array([[0.0, math.log(3.0)], [40.0, -40.0]], dtype=np.float32)
    np.testing.assert_allclose(probabilities(logits), [[0.25, 0.75], [1.0, 0.0]], atol=1e-7)
    many = probabilities(np.random.default_rng(0).normal(size=(50, 200)).astype(np.float32))
    assert many.dtype == np.float64
    assert np.abs(many.sum(axis=1) - 1).max() < 1e-9
    victim = ToyVictim({"good": 2.0})
    goal = UntargetedClassification(VictimWrapper(victim), use_cache=False)
    result, _ = goal.init_attack_example(AttackedText("a good film"), 1)
    assert float(result.score) == pytest.approx(1 - 1 / (1 + math.exp(-4)), abs=1e-9)


def test_ranking_is_stable_uses_the_victims_token_and_asks_once() -> None:
    victim = ToyVictim({"good": 1.0, "<oov>": 0.0}, bias=5.0)
    run = swaps({"good": ["fine"], "plain": ["simple"], "film": ["movie"]}, search="unk")
    assert run.attack(victim, example("plain good film good"), 0) is None
    assert victim.asked[:5] == [
        "plain good film good",
        "<oov> good film good", "plain <oov> film good", "plain good <oov> good", "plain good film <oov>",
    ]  # fmt: skip
    # Both "good" matter equally and come first, from left to right; "plain" and "film" do not matter.
    assert victim.asked[5:] == [
        "plain fine film good", "plain fine film fine", "simple fine film fine", "plain fine movie fine",
    ]  # fmt: skip


def test_positions_follow_an_edit_that_adds_a_word() -> None:
    victim = ToyVictim({"aa": 5.0, "bb": 4.0, "cc": 3.0}, bias=0.5)
    run = swaps({"aa": ["a a"], "bb": ["b b"], "cc": ["c c"], "c": ["wrong"], "b": ["wrong"]})
    assert run.attack(victim, example("aa bb cc"), 0) is None
    assert victim.asked[4:] == ["a a bb cc", "a a b b cc", "a a b b c c"]


def test_contract_is_asked_about_the_original_text_at_every_step() -> None:
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from benchmark_plugins.attacks.constraints import ContractConstraint

    contract = AnyText(allow=lambda text: "worst" not in text)
    victim = ToyVictim({"good": 2.0, "fine": 1.0, "great": 2.0, "worst": -20.0}, bias=-1.5)
    run = swaps({"good": ["fine", "worst"], "great": ["big", "worst"]}, constraints=[ContractConstraint(contract)])
    text = "good and great film"
    assert run.attack(victim, example(text), 0) == "fine and big film"
    assert contract.originals == [text] * 2
    assert not any("worst" in asked for asked in victim.asked)


def test_budget_exhaustion_passes_and_the_random_state_comes_back() -> None:
    run = deepwordbug()
    random.seed(3)
    np.random.seed(3)
    before = random.getstate(), np.random.get_state()[1].tolist()
    with pytest.raises(BudgetExhausted):
        run.attack(ToyVictim({"good": 2.0}, bias=9.0, budget=8), example("a good film with great actors"), 1)
    assert run.attack(ToyVictim({"good": 2.0}, bias=-1.0), example("a good film"), 1) is not None
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_same_seed_same_queries_and_another_seed_others() -> None:
    run = deepwordbug()
    asked = []
    for seed in (7, 7, 8):
        victim = ToyVictim({"wonderful": 2.0, "acting": 1.0}, bias=9.0)
        run.attack(victim, example("wonderful acting throughout"), seed)
        asked.append(victim.asked)
    assert asked[0] == asked[1] != asked[2]


def test_an_example_does_not_depend_on_the_one_before() -> None:
    weights = {"wonderful": 3.0, "touching": 2.0, "awful": -3.0}
    second = example("an awful but touching story", 0, "b")

    def alone() -> tuple[str | None, list[str]]:
        victim = ToyVictim(weights)
        return deepwordbug().attack(victim, second, 5), victim.asked

    run = deepwordbug()
    run.attack(ToyVictim(weights), example("a wonderful and touching story", 1, "a"), 5)
    with pytest.raises(BudgetExhausted):
        run.attack(ToyVictim(weights, bias=99.0, budget=6), example("a wonderful and touching story", 1, "c"), 5)
    victim = ToyVictim(weights)
    assert (run.attack(victim, second, 5), victim.asked) == alone()


def test_nothing_to_attack() -> None:
    run = deepwordbug()
    victim = ToyVictim({})
    assert run.attack(victim, example(" -- !? "), 0) is None
    assert victim.asked == []
    assert run.attack(ToyVictim({}, bias=1.0), example("the of and"), 0) is None  # stop words only
    assert run.attack(ToyVictim({}, bias=-1.0), example("a good film"), 0) is None  # wrong already
    with pytest.raises(BadData, match="SPLIT"):
        run.attack(victim, example("good <SPLIT> film"), 0)


def test_deepwordbug_edits_one_character_a_word_and_obeys_the_candidate_cap() -> None:
    victim = ToyVictim({"wonderful": 2.0}, bias=-1.0)
    text = "such wonderful acting"
    found = deepwordbug().attack(victim, example(text), 0)
    assert found is not None
    assert found.split()[0] == "such"
    assert found.split()[2] == "acting"
    assert found.split()[1] != "wonderful"
    assert abs(len(found) - len(text)) <= 1
    for cap, kinds in ((50, 4), (1, 1)):
        victim = ToyVictim({"wonderful": 2.0}, bias=9.0)
        deepwordbug(AnyText(candidates=cap)).attack(victim, example("wonderful"), 0)
        assert 1 <= len(victim.asked) - 2 <= kinds


def test_window_similarity() -> None:
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.shared import AttackedText

    from benchmark_plugins.attacks.constraints import MuseSimilarity

    class Encoder:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            self.seen += texts
            angles = [math.pi / 3 if "x" in text else 0.0 for text in texts]
            return np.array([[math.cos(a), math.sin(a)] for a in angles], dtype=np.float32)

    old = AttackedText("a b c d e f g")
    new = [old.replace_word_at_index(3, "x"), old.replace_word_at_index(3, "y")]
    encoder = Encoder()
    angular = MuseSimilarity(encoder, 0.9, "angular", False, 3, False)
    assert angular._score_list(old, new).tolist() == pytest.approx([2 / 3, 1.0], abs=1e-4)
    assert encoder.seen == ["c d e", "c x e", "c y e"]
    assert angular._check_constraint_many(new, old).tolist() == [new[1]]
    assert len(encoder.seen) == 3  # nothing is encoded twice
    assert MuseSimilarity(encoder, 0.9, "cosine", True, 3, False)._sim_score(old, new[0]) == pytest.approx(0.5)
    # Shorter than the window: not compared, and not encoded either.
    count = len(encoder.seen)
    assert MuseSimilarity(encoder, 0.9, "cosine", True, 15, True)._score_list(old, new).tolist() == [1.0, 1.0]
    assert len(encoder.seen) == count
    # An edit that leaves no word behind must not raise.
    gone = old.replace_word_at_index(3, "--")
    assert len(angular._score_list(old, [gone])) == 1


def test_part_of_speech_compares_in_the_original_context() -> None:
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.shared import AttackedText

    from benchmark_plugins.attacks.constraints import SpacyPOS

    tags = {"film": "NOUN", "run": "VERB", "nice": "ADJ"}
    asked: list[Query] = []

    def tag(queries: Sequence[Query]) -> list[str]:
        asked.extend(queries)
        return [tags[q.words[q.position]] for q in queries]

    old = AttackedText("a b c d e film g h i j")
    new = [old.replace_word_at_index(5, word) for word in ("run", "nice")]
    tagger: Any = SimpleNamespace(tags=tag)
    assert SpacyPOS(tagger)._check_constraint_many(new, old) == [new[0]]
    assert asked[0] == Query(("b", "c", "d", "e", "film", "g", "h", "i"), 4)
    assert asked[1] == Query(("b", "c", "d", "e", "run", "g", "h", "i"), 4)
    assert SpacyPOS(tagger, allow_verb_noun_swap=False)._check_constraint_many(new, old) == []


def test_masked_lm_swap_proposes_whole_words_only() -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    from benchmark import MaskedLanguageModel, NotApplicable
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.shared import AttackedText

    from benchmark_plugins.attacks.transformations import WholeWordMLMSwap, filler

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "##ing", "film", "movie", "plot", "7", "!", "a"]
    raw = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]",
    )  # fmt: skip
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=12,
    )  # fmt: skip
    network = BertForMaskedLM(config).eval()
    source = filler(MaskedLanguageModel(network, tokenizer))
    assert source.words == ("film", "movie", "plot", "a")
    text = AttackedText("a Film [MASK] plot")
    swap = WholeWordMLMSwap(source, max_candidates=2)
    with torch.inference_mode():
        rows = tokenizer(["a [MASK] [MASK] plot", "a Film [MASK] [MASK]"], return_tensors="pt")
        logits = network(**rows).logits[[0, 1], [2, 4]]
    for index, old, row in ((1, "film", logits[0]), (3, "plot", logits[1])):
        ranked = sorted((w for w in source.words if w != old), key=lambda w: -row[words.index(w)].item())
        assert swap._fill(text, [index]) == [ranked[:2]]
    both = swap._fill(text, [1, 3])
    assert both == swap._fill(text, [1]) + swap._fill(text, [3])
    assert WholeWordMLMSwap(source, 3, recover_case=True)._fill(text, [1])[0][0].istitle()
    assert WholeWordMLMSwap(source, 3, min_confidence=1.0)._fill(text, [1]) == [[]]
    assert swap._fill(AttackedText("a " * 11 + "film"), [11]) == [[]]  # past the model's longest input
    assert [t.text for t in swap._get_transformations(text, {3})] == [f"a Film [MASK] {w}" for w in both[1]]
    tokenizer_without = SimpleNamespace(get_vocab=lambda: {"film": 0}, all_special_ids=[])
    with pytest.raises(NotApplicable):
        filler(MaskedLanguageModel(network, tokenizer_without))
