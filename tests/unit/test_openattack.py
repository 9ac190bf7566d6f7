"""OpenAttack's attacks: against the library's own attackers where nothing is mended, against its faults elsewhere."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark import AttackState, BudgetExhausted, Example, NotApplicable, TokenGradients, Track
from benchmark.engine import QueryCounter, VictimInfo
from benchmark_plugins import attacks
from benchmark_plugins.attacks import openattack_env
from benchmark_plugins.attacks.openattack_parts.encoder import CosineEncoder
from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun, Scene, untagged
from benchmark_plugins.attacks.openattack_parts.substitutes import Substitutes, of_vectors, of_wordnet
from benchmark_plugins.attacks.openattack_parts.tokens import SplicingTokenizer
from benchmark_plugins.attacks.runner import seeded

ABSENT = openattack_env.missing()
library = pytest.mark.skipif(ABSENT is not None, reason=ABSENT or "")

NAMES = {
    "oa-pwws", "oa-textfooler", "oa-bae", "oa-bert-attack", "oa-textbugger", "oa-deepwordbug", "oa-genetic",
    "oa-pso", "oa-viper", "oa-fd", "oa-hotflip", "oa-uat", "oa-scpn", "oa-gan",
}  # fmt: skip
STOP = ("the", "a", "is", "of")
TABLE = {
    "good": ["fine", "decent", "great"],
    "great": ["big", "good", "fine"],
    "movie": ["film", "picture"],
    "actor": ["player", "performer"],
    "plot": ["story", "scheme", "tale"],
    "warm": ["tepid", "lukewarm"],
    "funny": ["comic", "odd", "curious"],
}
WEIGHTS = {"good": 1.1, "great": 1.3, "warm": 0.6, "funny": 0.9, "fine": 0.35, "comic": 0.5, "plot": 0.15, "tale": -0.3}
NOUNS = ("movie", "actor", "plot")
PARTS = {w: "noun" if key in NOUNS else "adj" for key, words in TABLE.items() for w in (key, *words)}
ODD_TEXTS = (
    "good",
    "?!",
    "",
    "good " * 5000,
    "🎬 good 🎭 funny",
    "‏מצוין good‏ טוב",
    "go\0od movie\0",
    "İstanbul IS good",
)


# --- helpers ------------------------------------------------------------------------------------------------------


def tag(tokens: Sequence[str]) -> list[str]:
    return [PARTS.get(token.lower(), "noun" if token.isalpha() else "other") for token in tokens]


def many(texts: Sequence[Sequence[str]]) -> list[list[str]]:
    return [tag(tokens) for tokens in texts]


class Toy:
    """Adds up word weights; the letters are a tie-breaker of no consequence."""

    num_labels = 2
    mask_token = "[MASK]"
    unknown_token = "[UNK]"
    forwards_per_prediction = 1

    def __init__(self, bias: float = -0.9, flat: bool = False) -> None:
        self.bias, self.flat, self.asked = bias, flat, []  # type: ignore[var-annotated]

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        rows = []
        for text in texts:
            words = [w.strip(".,!?") for w in text.lower().split()]
            score = self.bias + sum(WEIGHTS.get(w, 0.0) for w in words) + 0.0007 * (sum(map(ord, text)) % 11)
            rows.append((0.0, 1.0) if self.flat else (-score, score))
        return np.array(rows, dtype=np.float32).reshape(-1, 2)


class Contract:
    track = Track.NATIVE
    candidates = 50

    def __init__(self, allow: Callable[[str], bool] = lambda text: True) -> None:
        self.allow = allow

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        return [self.allow(text) for text in candidates]


class Hashed:
    """An encoder of random unit vectors that share most of their length, so that cosines pass thresholds."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = []
        for text in texts:
            noise = np.random.default_rng(sum((i + 1) * ord(c) for i, c in enumerate(text))).normal(size=16)
            row = np.ones(16) * 1.5 + noise
            rows.append(row / np.linalg.norm(row))
        return np.array(rows, dtype=np.float32)


def texts(count: int = 20, least: int = 4, most: int = 12) -> list[str]:
    chooser = random.Random(7)
    words = [*TABLE, "the", "a", "is", "of", "Good", "and", "Don't"]
    return [" ".join(chooser.choice(words) for _ in range(chooser.randint(least, most))) + "." for _ in range(count)]


def english() -> frozenset[Any]:
    from benchmark_plugins.attacks.openattack_parts.victim import ENGLISH

    return ENGLISH


def table(tags: frozenset[Any], k: int = 50) -> Substitutes:
    return Substitutes(lambda word, part: TABLE.get(word, []), k, tags)


def run(assemble: Callable[[Scene], Any], contract: Contract | None = None) -> OpenAttackRun:
    openattack_env.import_openattack()
    return OpenAttackRun(assemble, contract or Contract(), tag)


def scene(text: str, victim: Any) -> Scene:
    openattack_env.import_openattack()
    contract = Contract()
    return Scene(victim, text, SplicingTokenizer(text, tag, english()), partial(contract.admissible, text), english())


def own(run_: OpenAttackRun, text: str, seed: int = 3, victim: Toy | None = None) -> tuple[str | None, list[str]]:
    victim = victim or Toy()
    return run_.attack(victim, Example("x", text, 1), seed), victim.asked


def librarys(make: Callable[[Scene], Any], text: str, seed: int = 3) -> tuple[str | None, list[str]]:
    """The library's attacker, called as its users call it; without its first and its last query."""
    from benchmark_plugins.attacks.openattack_parts.victim import VictimClassifier

    victim = Toy()
    here = scene(text, victim)
    with seeded(seed):
        found = make(here)(VictimClassifier(victim, text), {"x": text})
    return found, victim.asked[1 : len(victim.asked) - (found is not None)]


def assemblies() -> dict[str, Callable[[Scene], Any]]:
    """Each runnable attacker with toy parts."""
    openattack_env.import_openattack()
    from OpenAttack.attackers import VIPERAttacker

    from benchmark_plugins.attacks.openattack_parts import characters, gradient, greedy, swarm

    def textfooler(s: Scene) -> Any:
        return greedy.TextFooler(s, table(s.tags), STOP, CosineEncoder(Hashed(), s.tags), many)

    return {
        "pwws": lambda s: greedy.PWWS(s, table(s.tags), STOP),
        "hotflip": lambda s: greedy.HotFlip(s, table(s.tags), STOP),
        "textfooler": textfooler,
        "genetic": lambda s: swarm.Genetic(s, table(s.tags), STOP, 4, 3),
        "pso": lambda s: swarm.PSO(s, table(s.tags), STOP, 4, 3),
        "textbugger": lambda s: characters.TextBugger(s, table(s.tags), STOP),
        "deepwordbug": lambda s: characters.DeepWordBug(s, "replaceone", "homoglyph", 5),
        "viper": lambda s: VIPERAttacker(0.3, generations=12, method="eces"),
        "fd": lambda s: gradient.FD(s, table(s.tags), STOP, 10),
    }


VOCABULARY = sorted({*TABLE, *(w for words in TABLE.values() for w in words), *STOP, "and"})


class WhiteBox(Toy):
    """One token a word; the gradient of the loss of label 1 is minus the embedding's first column, scaled."""

    def token_ids(self, text: str) -> list[int]:
        return [VOCABULARY.index(w) for w in text.lower().split() if w in VOCABULARY]

    def embedding_matrix(self) -> NDArray[np.float32]:
        rows = np.random.default_rng(5).normal(size=(len(VOCABULARY), 3)) * 0.01
        rows[:, 0] = [WEIGHTS.get(w, 0.0) for w in VOCABULARY]
        return rows.astype(np.float32)

    def gradients(self, text: str, label: int) -> TokenGradients:
        self.asked.append(f"gradient of {text}")
        tokens = SplicingTokenizer(text, untagged, frozenset())
        words = tokens.tokenize(text, False)
        rows = np.tile(np.array([[-1.0, 0.0, 0.0]], np.float32) * (1 if label else -1), (len(words), 1))
        return TokenGradients(tuple(tokens.spans(words)), tuple(0 for _ in words), rows)


# --- listing and import -------------------------------------------------------------------------------------------


def registered() -> dict[str, Any]:
    found: dict[str, Any] = {}
    attacks.register_attacks(lambda attack: found.__setitem__(attack.name, attack))
    return {name: attack for name, attack in found.items() if name.startswith("oa-")}


def test_all_are_listed_with_a_card_and_described_options() -> None:
    found = registered()
    assert set(found) == NAMES
    for attack in found.values():
        assert all((attack.card, attack.paper, attack.about)), attack.name
        assert all(f.description for f in attack.options.model_fields.values()), attack.name
        assert ("+fix" in attack.display) == (attack.state is AttackState.FIXED) or ABSENT, attack.name


def test_without_the_package_every_attack_says_so() -> None:
    code = (
        "import importlib.util as u; real = u.find_spec;"
        "u.find_spec = lambda n, *a: None if n == 'OpenAttack' else real(n, *a);"
        "from benchmark_plugins import attacks; found = []; attacks.register_attacks(found.append);"
        "oa = [a for a in found if a.name.startswith('oa-')];"
        "print(len(oa), {str(a.state) for a in oa}, all('not installed' in a.unavailable(a.options()) for a in oa),"
        " all('not installed' in a.card for a in oa))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "14 {'not available here'} True True"


@library
def test_import_leaves_environment_modules_and_folder_alone(tmp_path: Path) -> None:
    code = (
        "import os, sys, socket\n"
        "def refuse(*a, **k): raise OSError('network')\n"
        "socket.socket.connect = refuse\n"
        "before = dict(os.environ)\n"
        "from benchmark_plugins.attacks.openattack_env import import_openattack\n"
        "oa = import_openattack()\n"
        "try: oa.DataManager.load('AttackAssist.SGAN'); print('loaded')\n"
        "except Exception as e: print(type(e).__name__)\n"
        "print(os.environ == before, os.listdir('.'), {'glove', 'gan', 'sgan', 'victim_bert'} & set(sys.modules))\n"
    )
    place = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=place)
    assert done.stdout.split("\n")[:2] == ["DataNotExistException", "True [] set()"], done.stderr


# --- tokens and substitutes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Don't  stop!", " A well-made film , really…", "x", "...", "tab\tand\nline ", "a.b"])
def test_unedited_tokens_give_the_text_byte_for_byte(text: str) -> None:
    tokens = SplicingTokenizer(text, untagged, frozenset())
    assert tokens.detokenize(tokens.tokenize(text, False)) == text
    assert tokens.detokenize(tokens.tokenize(text.lower())) == text


def test_edits_are_spliced_in() -> None:
    text = "The GOOD movie,  I'd say: good."
    tokens = SplicingTokenizer(text, untagged, frozenset())
    words = tokens.tokenize(text.lower(), False)
    assert words == ["the", "good", "movie", ",", "i'd", "say", ":", "good", "."]
    edited = ["the", "fine", *words[2:]]
    assert tokens.detokenize(edited) == "The fine movie,  I'd say: good."
    spans = tokens.spans(edited)
    assert [tokens.detokenize(edited)[a:b] for a, b in spans][:3] == ["The", "fine", "movie"]
    assert tokens.detokenize(words[:1] + words[2:]) == "The movie,  I'd say: good."
    assert tokens.detokenize([*words[:-2], "."]) == "The GOOD movie,  I'd say:."
    assert tokens.detokenize(["oh", *words]) == "oh The GOOD movie,  I'd say: good."
    assert tokens.detokenize(words[1:4]) == "good movie ,"
    assert tokens.detokenize([]) == ""


def test_removing_a_mark_does_not_join_words() -> None:
    tokens = SplicingTokenizer("a.b", untagged, frozenset())
    assert tokens.detokenize(["a", "b"]) == "a b"


@library
def test_substitutes_of_no_part_look_up_the_word_itself() -> None:
    """The library's base class goes on with the last synonym: it looks up 'odd' as a noun."""
    openattack_env.import_openattack()
    from OpenAttack.attack_assist.substitute.word import WordSubstitute

    lists = {("funny", "adj"): ["odd"], ("funny", "noun"): ["joke"], ("odd", "noun"): ["wrong"]}

    class Upstream(WordSubstitute):  # type: ignore[misc]
        def substitute(self, word: str, pos: str) -> list[tuple[str, float]]:
            return [(w, 1.0) for w in lists.get((word, pos), [])]

    assert [w for w, _ in Upstream()("funny", None)] == ["odd", "wrong"]
    ours = Substitutes(lambda word, part: lists.get((word, part), []), 50, frozenset())
    assert [w for w, _ in ours("funny", None)] == ["odd", "joke"]
    assert ours("unknown", "noun") == []


def test_wordnet_and_vector_substitutes() -> None:
    senses = {"noun": {"dog": [["dog", "Hound"], ["cad"]]}, "verb": {"dog": [["chase"]], "be": [["exist"]]}}
    synsets: Any = SimpleNamespace(
        senses=senses, forms=lambda w, p: [w.rstrip("s")] if w.rstrip("s") in senses[p] else []
    )
    nouns = of_wordnet(synsets, 50, frozenset())
    assert [w for w, _ in nouns("dogs", "noun")] == ["dog", "hound", "cad"]
    assert [w for w, _ in nouns("dog", "noun")] == ["hound", "cad"]
    assert [w for w, _ in of_wordnet(synsets, 1, frozenset())("dog", "noun")] == ["hound"]
    assert nouns("be", "verb") == []
    assert nouns("dog", "other") == []
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    near: Any = SimpleNamespace(
        words=("hot", "warm", "cold"), vectors=vectors, neighbours=np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0]])
    )
    assert [w for w, _ in of_vectors(near, 5, 0.5, frozenset())("hot", "adj")] == ["warm"]
    assert [w for w, _ in of_vectors(near, 5, 0.5, frozenset())("warm", None)] == ["hot", "cold"]


# --- equal to the library where nothing is mended -----------------------------------------------------------------


def same_as_library(name: str, make: Callable[[Scene], Any], corpus: Sequence[str] | None = None) -> None:
    ours, wins = run(assemblies()[name]), 0
    for text in corpus or texts():
        if Toy().logits([text])[0].argmax() != 1:
            continue
        found, asked = own(ours, text)
        expected, upstream = librarys(make, text)
        assert (found, asked) == (expected, upstream), text
        wins += found is not None
    assert wins >= 3


@library
def test_pwws_is_the_librarys() -> None:
    openattack_env.import_openattack()
    from OpenAttack.attackers import PWWSAttacker

    same_as_library("pwws", lambda s: PWWSAttacker(s.tokenizer, table(s.tags), "[UNK]", list(STOP)))


@library
def test_genetic_is_the_librarys() -> None:
    openattack_env.import_openattack()
    from OpenAttack.attackers import GeneticAttacker

    same_as_library("genetic", lambda s: GeneticAttacker(4, 3, s.tokenizer, table(s.tags), filter_words=list(STOP)))


@library
def test_viper_is_the_librarys() -> None:
    openattack_env.import_openattack()
    from OpenAttack.attackers import VIPERAttacker

    same_as_library("viper", lambda s: VIPERAttacker(0.3, generations=12, method="eces"))


@library
def test_deepwordbug_without_mended_settings_is_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the order of ties, which is the processor's upstream."""
    openattack_env.import_openattack()
    monkeypatch.setattr(np, "argsort", partial(np.argsort, kind="stable"))
    from OpenAttack.attackers import DeepWordBugAttacker

    same_as_library("deepwordbug", lambda s: DeepWordBugAttacker("[UNK]", "replaceone", "homoglyph", 5, s.tokenizer))


@library
def test_textbugger_but_for_its_swap_is_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    openattack_env.import_openattack()
    from OpenAttack.attackers import TextBuggerAttacker

    from benchmark_plugins.attacks.openattack_parts.characters import TextBugger

    monkeypatch.setattr(TextBugger, "bug_swap", TextBuggerAttacker.bug_swap)
    same_as_library("textbugger", lambda s: TextBuggerAttacker(True, s.tokenizer, table(s.tags), list(STOP)))


def upstream_textfooler(s: Scene, threshold: float = 0.5) -> Any:
    """The library's TextFooler; its constructor alone would ask TensorFlow Hub for an encoder."""
    import OpenAttack.attackers.textfooler as module

    before = module.UniversalSentenceEncoder
    module.UniversalSentenceEncoder = lambda: CosineEncoder(Hashed(), s.tags)
    try:
        return module.TextFoolerAttacker(
            sim_score_threshold=threshold,
            tokenizer=s.tokenizer,
            substitute=table(s.tags),
            filter_words=list(STOP),
            token_unk="[UNK]",
        )
    finally:
        module.UniversalSentenceEncoder = before


@library
def test_textfooler_with_a_new_object_for_each_text_is_the_librarys() -> None:
    openattack_env.import_openattack()
    same_as_library("textfooler", upstream_textfooler, texts(20, 14, 18) + texts(10, 4, 6))


# --- mended defects -----------------------------------------------------------------------------------------------


@library
def test_textfooler_does_not_keep_the_threshold_of_a_short_text() -> None:
    openattack_env.import_openattack()
    from benchmark_plugins.attacks.openattack_parts.greedy import TextFooler
    from benchmark_plugins.attacks.openattack_parts.victim import VictimClassifier

    short, long = "good movie", "the good movie is a great funny plot of the actor and the good warm movie of the plot"

    def after_short(attacker: Any, s: Scene) -> Any:
        attacker.attack(VictimClassifier(s.victim, short), short, SimpleNamespace(target=1, check=lambda *_: False))
        return attacker.sim_score_threshold

    s = scene(long, Toy())
    assert after_short(upstream_textfooler(s), s) == 0.1
    encoder = CosineEncoder(Hashed(), s.tags)
    assert after_short(TextFooler(s, table(s.tags), STOP, encoder, many, 0.99), s) == 0.99


@library
def test_textfooler_compares_windows_that_hold_the_edited_word() -> None:
    """In texts shorter than the window, upstream's slice starts below 0 near the end: at the last tokens only."""
    openattack_env.import_openattack()

    class Recording(CosineEncoder):
        seen: list[tuple[str, str]] = []  # noqa: RUF012 - read through the class

        def scores(self, reference: str, texts: Sequence[str]) -> NDArray[np.float64]:
            self.seen += [(reference, text) for text in texts]
            return super().scores(reference, texts)

    import OpenAttack.attackers.textfooler as module

    from benchmark_plugins.attacks.openattack_parts.greedy import TextFooler
    from benchmark_plugins.attacks.openattack_parts.victim import ContractGoal, VictimClassifier

    text = "the the the the the the the great good the the the"
    victim = Toy(bias=9)
    s = scene(text, victim)
    for make, blind in (
        (lambda e: TextFooler(s, table(s.tags), STOP, e, many), False),
        (lambda e: upstream_textfooler(s), True),
    ):
        Recording.seen.clear()
        attacker = make(Recording(Hashed(), s.tags))
        attacker.sim_predictor = Recording(Hashed(), s.tags)
        assert isinstance(attacker, module.TextFoolerAttacker)
        attacker.attack(VictimClassifier(victim, text), text, ContractGoal(1, s.inside))
        assert any(before == after for before, after in Recording.seen) is blind


@library
def test_hotflip_tries_one_swap_at_a_time() -> None:
    openattack_env.import_openattack()
    from OpenAttack.attackers import HotFlipAttacker

    text = "the funny actor of a movie and great great good plot"
    words = text.split()

    def most_edits(asked: list[str]) -> int:
        return max(sum(a != b for a, b in zip(words, t.split(), strict=True)) for t in asked)

    found, asked = own(run(assemblies()["hotflip"]), text)
    _, upstream = librarys(lambda s: HotFlipAttacker(table(s.tags), s.tokenizer, list(STOP)), text)
    assert found is None
    assert most_edits(asked) == 1
    assert len(asked) == 3 + 2 + 2 + 3 + 3 + 3 + 3
    assert most_edits(upstream) > 1


def pulled_towards(base: Any, make: Callable[[Any, Scene], Any], monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each turn of a particle, whether what it turns to is the best text asked so far."""
    from benchmark_plugins.attacks.openattack_parts.victim import ContractGoal, VictimClassifier

    text = "great good funny warm movie great plot actor good great"
    victim = Toy(bias=9)
    here = scene(text, victim)
    best: list[bool] = []

    def scores(texts: list[str]) -> NDArray[np.float32]:
        return Toy(bias=9).logits(texts)[:, 1]

    real = base.turn

    def turn(self: Any, elite: list[str], *rest: Any) -> Any:
        best.append(bool(scores([here.tokenizer.detokenize(elite)])[0] <= scores(victim.asked).min()))
        return real(self, elite, *rest)

    monkeypatch.setattr(base, "turn", turn)
    with seeded(1):
        make(base, here).attack(VictimClassifier(victim, text), text, ContractGoal(1, here.inside))
    monkeypatch.undo()
    return best


@library
def test_pso_keeps_its_elites(monkeypatch: pytest.MonkeyPatch) -> None:
    """Particles turn to the best text found, in about half of their turns; upstream to the first that was drawn."""
    openattack_env.import_openattack()
    from OpenAttack.attackers import PSOAttacker

    from benchmark_plugins.attacks.openattack_parts.swarm import PSO

    upstream = pulled_towards(PSOAttacker, lambda c, s: c(6, 6, s.tokenizer, table(s.tags), list(STOP)), monkeypatch)
    ours = pulled_towards(PSO, lambda c, s: c(s, table(s.tags), STOP, 6, 6), monkeypatch)
    assert min(len(upstream), len(ours)) > 20
    assert sum(ours) / len(ours) > 0.4 > 0.1 > sum(upstream) / len(upstream)


@library
def test_a_swarm_remembers_copies_of_what_was_better() -> None:
    openattack_env.import_openattack()
    from benchmark_plugins.attacks.openattack_parts.swarm import Swarm

    swarm = Swarm([["a"], ["b"]], np.array([0.5, 0.4]), np.zeros((2, 1)))
    swarm.particles = [["c"], ["d"]]
    swarm.remember(np.array([0.3, 0.9]))
    swarm.particles[0][0] = "changed"
    assert (swarm.bests, swarm.best) == ([["c"], ["b"]], ["c"])


@library
def test_textbugger_swaps_neighbours() -> None:
    openattack_env.import_openattack()
    from OpenAttack.attackers import TextBuggerAttacker

    def distances(cls: Any, attacker: Any) -> set[int]:
        found = set()
        for seed in range(60):
            random.seed(seed)
            word = cls.bug_swap(attacker, "abcdefgh")
            places = [i for i, (a, b) in enumerate(zip("abcdefgh", word, strict=True)) if a != b]
            found.add(places[-1] - places[0])
            assert word[0] == "a"
            assert word[-1] == "h"
        return found

    from benchmark_plugins.attacks.openattack_parts.characters import TextBugger

    assert distances(TextBugger, None) == {1}
    assert distances(TextBuggerAttacker, None) > {1}


@library
@pytest.mark.parametrize("scoring", ["temporal", "tail", "combined"])
def test_deepwordbug_edits_the_most_important_words(scoring: str) -> None:
    openattack_env.import_openattack()
    from OpenAttack.attackers import DeepWordBugAttacker

    from benchmark_plugins.attacks.openattack_parts.characters import DeepWordBug

    text = "movie actor great actor movie"
    victim = Toy()
    s = scene(text, victim)
    from benchmark_plugins.attacks.openattack_parts.victim import ContractGoal, VictimClassifier

    args = scoring, VictimClassifier(victim, text), text.split(), ContractGoal(1, s.inside)
    ours = DeepWordBug(s, scoring, "homoglyph", 1).scorefunc(*args)
    upstream = DeepWordBugAttacker("[UNK]", scoring, "homoglyph", 1, s.tokenizer).scorefunc(*args)
    assert sorted(ours) == [0, 1, 2, 3, 4]
    first = int(np.argsort(ours)[0])
    assert first == (2 if scoring != "tail" else 3)  # the tail's score at i is that of the word before i
    assert int(np.argsort(upstream)[0]) != first


@library
def test_deepwordbug_can_swap() -> None:
    openattack_env.import_openattack()
    from OpenAttack.attackers import DeepWordBugAttacker

    from benchmark_plugins.attacks.openattack_parts.characters import DeepWordBug

    text = "great good movie"
    with pytest.raises(TypeError):
        librarys(lambda s: DeepWordBugAttacker("[UNK]", "replaceone", "swap", 5, s.tokenizer), text)
    found, _ = own(run(lambda s: DeepWordBug(s, "replaceone", "swap", 5)), text)
    assert found is not None
    assert sorted(found) == sorted(text)
    assert found != text


@library
def test_fd_climbs_the_loss() -> None:
    """Upstream's own victim hands over the gradient of minus the loss; with it the same search finds nothing."""
    openattack_env.import_openattack()

    class Wrong(WhiteBox):
        def gradients(self, text: str, label: int) -> TokenGradients:
            found = super().gradients(text, label)
            return found._replace(gradients=-found.gradients)

    import inspect

    import OpenAttack.victim.classifiers.transformers as module

    from benchmark_plugins.attacks.openattack_parts.gradient import FD

    assert "loss = - loss" in inspect.getsource(module)
    lists = {"good": ["great", "fine"], "warm": ["funny", "tale"], "plot": ["good", "tale"]}  # the heavier one first
    attack = run(lambda s: FD(s, Substitutes(lambda word, part: lists.get(word, []), 50, s.tags), STOP, 10))
    for seed in range(5):
        assert own(attack, "good plot warm", seed, WhiteBox(bias=-1.2))[0] is not None
        assert own(attack, "good plot warm", seed, Wrong(bias=-1.2))[0] is None


@library
def test_fd_steps_as_the_library_does() -> None:
    """With words as tokens and the gradient of the loss, upstream's attacker takes the same steps."""
    openattack_env.import_openattack()
    from OpenAttack.attack_assist.word_embedding import WordEmbedding
    from OpenAttack.attackers import FDAttacker

    from benchmark_plugins.attacks.openattack_parts.victim import ContractGoal, VictimClassifier

    class Whole(VictimClassifier):
        def get_grad(self, lists: list[list[str]], labels: list[int]) -> Any:
            text = " ".join(lists[0])
            return np.zeros((1, 2)), self._victim.gradients(text, labels[0]).gradients[None]

        def get_embedding(self) -> Any:
            return WordEmbedding({w: i for i, w in enumerate(VOCABULARY)}, self._victim.embedding_matrix())

    wins = 0
    for text in texts():
        text = text.replace("Don't", "and").replace(".", "").lower()
        if Toy(-1.2).logits([text])[0].argmax() != 1:
            continue
        found, asked = own(run(assemblies()["fd"]), text, victim=WhiteBox(-1.2))
        victim = WhiteBox(-1.2)
        s = scene(text, victim)
        with seeded(3):
            attacker = FDAttacker(table(s.tags), s.tokenizer, "and", 10, filter_words=list(STOP))
            expected = attacker.attack(Whole(victim, text), text, ContractGoal(1, s.inside))
        assert (found, asked) == (expected, victim.asked)
        wins += found is not None
    assert wins >= 3


# --- masked language models ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A random BERT over a few words; 'funnyish' is two pieces."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "##ish", ".", *VOCABULARY]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=64, initializer_range=1.0,
    )  # fmt: skip
    network = BertForMaskedLM(config).eval()
    network.save_pretrained(folder)
    tokenizer = BertTokenizerFast(vocab_file=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    return SimpleNamespace(network=network, tokenizer=tokenizer, folder=str(folder))


def bert_attack(tiny: Any, share: float = 0.4) -> Callable[[Scene], Any]:
    openattack_env.import_openattack()
    from benchmark_plugins.attacks.openattack_parts.masked import BertAttack

    return lambda s: BertAttack(s, tiny, STOP, 12, 0.0, share)


def bae(tiny: Any, share: float = 0.4, threshold: float = -1.0) -> Callable[[Scene], Any]:
    openattack_env.import_openattack()
    from benchmark_plugins.attacks.openattack_parts.masked import BAE

    return lambda s: BAE(s, tiny, STOP, CosineEncoder(Hashed(), s.tags), many, 12, threshold, share)


def upstream_bert_attack(tiny: Any) -> Callable[[Scene], Any]:
    from OpenAttack.attackers import BERTAttacker

    return lambda s: BERTAttacker(tiny.folder, k=12, threshold_pred_score=0.0, filter_words=list(STOP))


@library
@pytest.mark.parametrize("make", [bert_attack, bae])
def test_a_rejected_word_leaves_the_text_again(make: Any, tiny: Any) -> None:
    """A victim that moves for nothing: every text asked has one word replaced. Upstream's rejects stay in the text."""
    text = "movie good plot actor warm"
    words = text.split()

    def most_edits(asked: list[str]) -> int:
        return max(sum(a != b for a, b in zip(words, t.split(), strict=True)) for t in asked)

    found, asked = own(run(make(tiny)), text, victim=Toy(flat=True))
    assert found is None
    assert most_edits(asked) == 1
    assert len(asked) > 1 + len(words)
    if make is bert_attack:
        from benchmark_plugins.attacks.openattack_parts.victim import ContractGoal, VictimClassifier

        victim = Toy(flat=True)
        s = scene(text, victim)
        upstream_bert_attack(tiny)(s).attack(VictimClassifier(victim, text), text, ContractGoal(1, s.inside))
        assert most_edits([t for t in victim.asked if "[UNK]" not in t]) > 1


@library
def test_every_word_is_ranked_by_probabilities(tiny: Any) -> None:
    """Upstream leaves out the last word and softmaxes the probabilities, which halves the differences and more."""
    import torch

    from benchmark_plugins.attacks.openattack_parts.victim import VictimClassifier

    text = "good movie great"
    victim = Toy()
    s = scene(text, victim)
    classifier = VictimClassifier(victim, text)
    whole = classifier.get_prob([text])[0]
    ours = bert_attack(tiny)(s).importances(classifier, text.split(), whole, 1)
    left = classifier.get_prob(["[UNK] movie great", "good [UNK] great", "good movie [UNK]"])
    by_hand = [whole[1] - p[1] + (p[0] - whole[0] if p[0] > p[1] else 0) for p in left]
    assert ours == pytest.approx(by_hand)
    assert len(ours) == 3
    flat = torch.softmax(torch.tensor(whole), -1)
    upstream = upstream_bert_attack(tiny)(s).get_important_scores(text.split(), classifier, flat.max(), 1, flat)
    assert len(upstream) == 2
    assert abs(upstream[0] - ours[0]) > 0.02


@library
def test_a_text_of_one_word_is_attacked(tiny: Any) -> None:
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        librarys(upstream_bert_attack(tiny), "good")
    for make in (bert_attack, bae):
        _, asked = own(run(make(tiny)), "good")
        assert len(asked) > 2


@library
def test_bae_masks_the_word_it_replaces(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """'funnyish' is two pieces; upstream then masks a piece of it in place of the words that follow."""
    openattack_env.import_openattack()
    import OpenAttack.attackers.bae as module
    from OpenAttack.attackers import BAEAttacker

    from benchmark_plugins.attacks.openattack_parts.victim import ContractGoal, VictimClassifier

    text = "funnyish movie plot"
    masked: list[str] = []
    real = BAEAttacker.get_substitues

    def spy(self: Any, index: int, tokens: list[str], *rest: Any) -> Any:
        masked.append(tokens[index])
        return real(self, index, tokens, *rest)

    monkeypatch.setattr(BAEAttacker, "get_substitues", spy)
    own(run(bae(tiny)), text, victim=Toy(flat=True))
    assert sorted(masked) == ["funny", "movie", "plot"]
    masked.clear()
    victim = Toy(flat=True)
    s = scene(text, victim)
    upstream = BAEAttacker(tiny.folder, k=12, sentence_encoder=CosineEncoder(Hashed(), s.tags), filter_words=list(STOP))
    monkeypatch.setattr(module.DataManager, "load", lambda name: lambda ws: [(w, "NN") for w in ws])
    upstream.attack(VictimClassifier(victim, text), text, ContractGoal(1, s.inside))
    assert "##ish" in masked


@library
def test_bae_keeps_the_part_of_speech_and_the_likeness(tiny: Any) -> None:
    text = "good movie great plot"
    _, asked = own(run(bae(tiny)), text, victim=Toy(flat=True))
    edited = [t.split() for t in asked if "[UNK]" not in t and t != text]
    assert edited
    assert all(tag(words) == tag(text.split()) for words in edited)
    _, strict = own(run(bae(tiny, threshold=0.9999)), text, victim=Toy(flat=True))
    assert len(strict) == 1 + 4


@library
def test_another_kind_of_vocabulary_is_refused() -> None:
    openattack_env.import_openattack()
    from benchmark_plugins.attacks.openattack_parts.masked import checked

    model: Any = SimpleNamespace(tokenizer=SimpleNamespace(get_vocab=lambda: {"Ġgood": 0}))
    with pytest.raises(NotApplicable):
        checked(model)


# --- properties of all --------------------------------------------------------------------------------------------


def every(tiny: Any) -> dict[str, Callable[[Scene], Any]]:
    return {**assemblies(), "bert-attack": bert_attack(tiny), "bae": bae(tiny)}


@library
def test_budgets_are_never_exceeded_and_pass_through(tiny: Any) -> None:
    text = "the great good movie is a funny plot of the great warm actor"
    for name, assemble in every(tiny).items():
        for budget in (1, 2, 10):
            victim = QueryCounter(WhiteBox(bias=50), VictimInfo(2, "[MASK]", "[UNK]"), budget)  # type: ignore[arg-type]
            with pytest.raises(BudgetExhausted):
                run(assemble).attack(victim, Example("x", text, 1), 3)
            assert victim.queries <= budget, name


@library
def test_same_seed_same_answer_whatever_ran_before(tiny: Any) -> None:
    for name, assemble in every(tiny).items():
        attack = run(assemble)
        victim = WhiteBox()
        first = attack.attack(victim, Example("x", "the great movie is good and funny", 1), 5), list(victim.asked)
        attack.attack(WhiteBox(), Example("y", "good", 1), 8)
        random.seed(1)
        np.random.seed(1)
        victim = WhiteBox()
        second = attack.attack(victim, Example("x", "the great movie is good and funny", 1), 5), victim.asked
        assert first == second, name


@library
def test_nothing_outside_the_contract_comes_back(tiny: Any) -> None:
    """Texts without 'movie' are not allowed, nor is any accent, look-alike or new word but those of the table."""
    text = "great movie good movie funny movie"

    def allow(candidate: str) -> bool:
        return candidate.split()[1::2] == ["movie"] * 3

    for name, assemble in every(tiny).items():
        for seed in range(3):
            found, asked = own(run(assemble, Contract(allow)), text, seed, WhiteBox(bias=-1.5))
            assert found is None or allow(found), name
            if name in ("pwws", "hotflip", "textfooler", "genetic", "pso", "fd", "bert-attack", "bae"):
                assert all(allow(t) for t in asked if "[UNK]" not in t and not t.startswith("gradient")), name


@library
@pytest.mark.parametrize("number", [0, 1, 2, pytest.param(3, marks=pytest.mark.slow), *range(4, len(ODD_TEXTS))])
def test_degenerate_texts_end_quietly(number: int, tiny: Any) -> None:
    text = ODD_TEXTS[number]
    for name, assemble in every(tiny).items():
        victim = QueryCounter(WhiteBox(bias=0.5), VictimInfo(2, "[MASK]", "[UNK]"), 300)  # type: ignore[arg-type]
        try:
            found = run(assemble).attack(victim, Example("x", text, 1), 3)
        except BudgetExhausted:
            found = None
        assert found is None or isinstance(found, str), name


@library
def test_an_uncased_attacker_asks_about_the_text_as_it_is() -> None:
    text = "The Great movie is GOOD"
    _, asked = own(run(assemblies()["textfooler"]), text)
    assert asked[0] == text
    assert all(t.startswith(("The ", "[UNK]")) for t in asked)


@library
def test_the_label_is_the_gold_one() -> None:
    """A victim whose answer to the first query is another label: the library would attack that answer."""

    class Fickle(Toy):
        def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
            first = not self.asked
            rows = super().logits(texts)
            return rows[:, ::-1].copy() if first else rows

    text = "the great good movie"
    for name in ("pwws", "textbugger"):  # they ask for the text itself first, and again for what they return
        found, _ = own(run(assemblies()[name]), text, victim=Fickle())
        assert found is not None, name
        assert Toy().logits([found])[0].argmax() == 0, name


# --- those that are listed ----------------------------------------------------------------------------------------


@library
def test_uat_needs_triggers() -> None:
    attack = registered()["oa-uat"]
    assert attack.state is AttackState.DEFECTIVE
    with pytest.raises(NotApplicable):
        attack.build(attack.options(), None, Contract(), None)
    built = attack.build(attack.options(triggers="tale tale tale tale"), None, Contract(), None)
    assert own(built, "a good movie", victim=Toy(bias=0))[0] == "tale tale tale tale a good movie"
