"""A2T, HotFlip, Kuleshov and input reduction: against the library's own classes, by hand, and where they are mended."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import recipe_toys as toys
from numpy.typing import NDArray

from benchmark import AttackState, BudgetExhausted, Capability, Example, NoOptions, NotApplicable, Task, TokenGradients
from benchmark.api import Access
from benchmark.fit.classifier import NetworkClassifier
from benchmark_plugins.attacks.stopwords import stop_words
from benchmark_plugins.attacks.textattack_env import import_textattack

TEXTS = toys.sentences(24, seed=1)
WHITE = frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS})


def recipe(name: str) -> Any:
    return import_module(f"benchmark_plugins.attacks.recipes.{name}")


def build(
    name: str, monkeypatch: pytest.MonkeyPatch, contract: Any = None, variant: str = "", **options: Any
) -> tuple[Any, Any]:
    """A run over toys, and its masked LM; ``name`` is the module's, ``variant`` the attack's where it has several."""
    module = recipe(name)
    attack = next((a for a in getattr(module, "ATTACKS", ()) if a.name == variant), None) or module.ATTACK
    resources, model = toys.fake(monkeypatch, module)
    return attack.build(attack.options(**options), resources, contract or toys.AnyText(), None), model


@pytest.fixture(scope="module")
def victim() -> NetworkClassifier:
    """A small network whose answers differ from word to word."""
    import torch

    from benchmark_plugins.defenses.heads import mlp

    torch.manual_seed(3)
    network = mlp.build(toys.tiny_random.load(None), Task("toy", ("a", "b"), 32), NoOptions())  # type: ignore[arg-type]
    with torch.no_grad():
        for layer in (network.dense, network.out):
            layer.weight.mul_(40)
        states = network.features(network.encode(rows(network, TEXTS[0])), rows(network, TEXTS[0]))
        network.out.bias -= network.out(states).mean(dim=0)
    return NetworkClassifier(network)


def rows(network: Any, text: str) -> Any:
    from benchmark import pad_rows

    return pad_rows(network.rows(text), 0)


def attacked(text: str) -> Any:
    import_textattack()
    from textattack.shared import AttackedText

    return AttackedText(text)


# --- A2T ----------------------------------------------------------------------------------------------------------


def test_a2t_says_what_it_is() -> None:
    first, second = recipe("a2t").ATTACKS
    assert (first.name, second.name) == ("a2t", "a2t-mlm")
    for attack in (first, second, recipe("hotflip").ATTACK):
        assert attack.needs == WHITE
        assert attack.access is Access.GRADIENT
        assert attack.state is AttackState.VARIANT
    assert "minilm-mlm" in second.models


def test_importance_is_the_l1_norm_of_the_mean_gradient_of_a_words_tokens() -> None:
    import_textattack()
    from benchmark_plugins.attacks.gradient_search import word_importance

    text = attacked("un unfit, film \u4e00 end")
    assert text.words == ["un", "unfit", "film", "\u4e00", "end"]
    spans = ((0, 2), (3, 5), (5, 8), (8, 9), (10, 14), (17, 20))
    rows = np.array([[1, -2], [4, 0], [0, -2], [50, 50], [-1, 0.5], [0, 0]], dtype=np.float32)
    found = word_importance(TokenGradients(spans, (0,) * 6, rows), text)
    assert found == [3.0, 3.0, 1.5, 0.0, None]  # the comma is no word; the last word's token is not read


def test_ranking_is_by_the_labels_gradient_ties_from_the_left_and_asks_one_query() -> None:
    import_textattack()
    from benchmark_plugins.attacks.gradient_search import GradientWIR

    asked: list[tuple[str, int]] = []

    def gradients(text: str, label: int) -> TokenGradients:
        asked.append((text, label))
        spans = ((0, 1), (2, 3), (4, 5), (6, 7))
        return TokenGradients(spans, (0,) * 4, np.array([[1.0], [-3.0], [1.0], [0.0]], dtype=np.float32))

    search = GradientWIR(SimpleNamespace(gradients=gradients, unknown_token="[UNK]"))  # type: ignore[arg-type]
    search.get_indices_to_order = lambda text: (4, [3, 2, 1, 0])
    assert not search.is_black_box
    search._label = 1
    assert search._get_index_order(attacked("a b c d")) == ([1, 0, 2], False)
    assert asked == [("a b c d", 1)]
    search.get_indices_to_order = lambda text: (0, [])
    assert search._get_index_order(attacked("a b c d")) == ([], False)
    assert len(asked) == 1


@pytest.mark.parametrize("variant", ["a2t", "a2t-mlm"])
def test_a2t_is_the_librarys(variant: str, victim: NetworkClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = toys.AnyText(allow=toys.plain_words)
    masked = variant == "a2t-mlm"
    loose: dict[str, Any] = {"threshold": 0.5, "candidates": 1000 if masked else 20}
    own: dict[str, Any] = {"min_confidence": 0.0002} if masked else {"min_cos_sim": 0.8}
    run, model = build("a2t", monkeypatch, contract, variant, **loose, **own)
    from textattack.constraints.pre_transformation import MaxModificationRate, RepeatModification, StopwordModification
    from textattack.constraints.semantics import WordEmbeddingDistance
    from textattack.search_methods import GreedyWordSwapWIR
    from textattack.transformations import WordSwapEmbedding, WordSwapMaskedLM

    from benchmark_plugins.attacks.constraints import ContractConstraint, MuseSimilarity, SpacyPOS
    from benchmark_plugins.attacks.embedding import word_embedding

    embedding = word_embedding(toys.table())

    def parts(_: Any) -> tuple[list[Any], Any, Any]:
        limits = [
            RepeatModification(),
            StopwordModification(stop_words()),
            MaxModificationRate(max_rate=0.1, min_threshold=4),
            SpacyPOS(toys.tagger(), allow_verb_noun_swap=False),
            MuseSimilarity(toys.Encoder(), 0.5, "cosine", True, None, False),
            ContractConstraint(contract),
        ]
        swap: Any = WordSwapMaskedLM(
            "bae", model.network, model.tokenizer, max_length=16, max_candidates=1000, min_confidence=0.0002
        )
        if not masked:
            limits.append(WordEmbeddingDistance(embedding=embedding, min_cos_sim=0.8))
            swap = WordSwapEmbedding(max_candidates=20, embedding=embedding)
        return limits, swap, GreedyWordSwapWIR("gradient", truncate_words_to=30)

    found = []
    for text in TEXTS:
        label = toys.label_of(victim, text)
        found.append(toys.ours(run, victim, text, label))
        assert found[-1] == toys.library(parts, victim, text, label), text
    assert 2 < sum(text is not None for text, _ in found) < len(TEXTS) - 2
    assert max(queries for _, queries in found) > (4 if masked else 10)


# --- HotFlip ------------------------------------------------------------------------------------------------------


class Linear:
    """A white-box victim: the logits are the sum of the vectors of a text's tokens; a token is a word, or two halves.

    Words in ``split`` are two tokens. The id of a word is its place in the vocabulary.
    """

    forwards_per_prediction = 1

    def __init__(self, split: Sequence[str] = (), bias: float = 0.0) -> None:
        self.words = ("a", "##", *toys.CONTENT)
        self.split, self.bias = frozenset(split), bias
        rng = np.random.default_rng(5)
        self.matrix = rng.normal(size=(len(self.words), 2)).astype(np.float32)

    def tokens(self, text: str) -> list[tuple[int, tuple[int, int]]]:
        found, start = [], 0
        for word in text.split():
            start = text.index(word, start)
            stop = start + len(word)
            own = word.lower().strip(".")
            number = self.words.index(own) if own in self.words else 1
            halves = [(1, (start, start + 1)), (1, (start + 1, stop))]
            found += halves if own in self.split else [(number, (start, stop))]
            start = stop
        return found

    def token_ids(self, text: str) -> list[int]:
        return [number for number, _ in self.tokens(text)]

    def embedding_matrix(self) -> NDArray[np.float32]:
        return self.matrix

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        sums = [self.matrix[self.token_ids(text)].sum(axis=0) for text in texts]
        return np.array([(s[0], s[1] + self.bias) for s in sums], dtype=np.float32).reshape(-1, 2)

    def gradients(self, text: str, label: int) -> TokenGradients:
        """Softmax minus the label's one-hot, at every token: the vectors are added."""
        logits = self.logits([text])[0].astype(np.float64)
        powers = np.exp(logits - logits.max())
        slope = powers / powers.sum() - np.eye(2)[label]
        numbers, spans = zip(*self.tokens(text), strict=True)
        return TokenGradients(spans, numbers, np.tile(slope, (len(spans), 1)).astype(np.float32))


def allowed_flips(text: str, least: float, split: Sequence[str] = ()) -> dict[str, str]:
    """By brute force: every text with one word replaced by a near word of the same tag, and the new word."""
    table = toys.table()
    vector = dict(zip(table.words, table.vectors, strict=True))
    made = {}
    old = text.split()
    for i, word in enumerate(old):
        for new in table.words:
            near = float(vector[word] @ vector[new]) >= least
            if near and new != word and toys.tag(new) == toys.tag(word) and not {word, new} & set(split):
                made[" ".join([*old[:i], new, *old[i + 1 :]])] = new
    return made


def test_the_first_flips_are_the_best_of_all_by_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = build("hotflip", monkeypatch, beam=5, min_cos_sim=0.75, max_words=1, allow_verb_noun_swap=False)
    split = toys.CONTENT[::7]
    linear = Linear(split)
    checked = 0
    for text in TEXTS:
        label = toys.label_of(linear, text)
        best = allowed_flips(text, 0.75, split)
        towards = (1, -1) if label else (-1, 1)
        gain = {t: float((linear.logits([t]) - linear.logits([text]))[0] @ towards) for t in best}
        asked: list[str] = []
        spy = SimpleNamespace(
            logits=lambda texts, asked=asked: asked.extend(texts) or linear.logits(texts),
            gradients=linear.gradients, token_ids=linear.token_ids, embedding_matrix=linear.embedding_matrix,
            forwards_per_prediction=1,
        )  # fmt: skip
        toys.ours(run, spy, text, label)
        # The promise of a linear victim is exact: what is asked are the flips that really raise the loss most.
        expected = [t for t in sorted(gain, key=lambda t: -gain[t]) if gain[t] > 0][:5]
        assert set(asked[1:]) == set(expected), text
        checked += len(expected)
    assert checked > 24


def test_hotflip_flips_two_words_at_most_and_takes_a_beam(monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = build("hotflip", monkeypatch, min_cos_sim=0.5, allow_verb_noun_swap=False)
    outcomes = set()
    for text in TEXTS:
        for bias in (0.0, 2.0, 30.0):
            linear = Linear(bias=bias)
            label = toys.label_of(linear, text)
            found, queries = toys.ours(run, linear, text, label)
            assert queries <= 1 + (1 + 10) + (10 + 100)
            if found is not None:
                changed = [(o, n) for o, n in zip(text.split(), found.split(), strict=True) if o != n]
                assert len(changed) in (1, 2)
                assert all(toys.tag(o) == toys.tag(n) and o not in stop_words() for o, n in changed)
                assert toys.label_of(linear, found) != label
                outcomes.add(len(changed))
            else:
                outcomes.add(0)
    assert outcomes == {0, 1, 2}


def test_words_of_several_tokens_are_not_flipped_and_rows_belong_to_their_words() -> None:
    import_textattack()
    from benchmark_plugins.attacks.embedding import word_embedding
    from benchmark_plugins.attacks.gradient_search import FirstOrderFlips

    text = f"{toys.CONTENT[0]} {toys.CONTENT[1]} {toys.CONTENT[2].capitalize()}."
    linear = Linear(split=toys.CONTENT[:1])
    flips = FirstOrderFlips(toys.counter(linear), word_embedding(toys.table()), 50, 0.2, 1000)
    flips.label = toys.label_of(linear, text)
    made = flips._get_transformations(attacked(text), {0, 1, 2})
    slope = linear.gradients(text, flips.label).gradients[0]
    places = set()
    for flip in made:
        (i,) = flip.attack_attrs["newly_modified_indices"]
        places.add(int(i))
        assert i != 0
        new, old = flip.words[i], attacked(text).words[i]
        assert new[0].isupper() == old[0].isupper()
        vectors = linear.matrix[[linear.words.index(w.lower()) for w in (new, old)]]
        assert flip.attack_attrs["first_order"] == pytest.approx(float((vectors[0] - vectors[1]) @ slope), abs=1e-5)
        assert flip.attack_attrs["first_order"] > 0
    assert 2 not in places  # "Word." is one token of this victim, not the word alone
    assert places == {1}


def test_hotflip_raises_the_loss_of_a_real_network(victim: NetworkClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = build("hotflip", monkeypatch, min_cos_sim=0.3)
    found = [toys.ours(run, victim, text, toys.label_of(victim, text)) for text in TEXTS]
    again = [toys.ours(run, victim, text, toys.label_of(victim, text)) for text in TEXTS[::-1]][::-1]
    assert found == again  # whatever ran before
    assert any(text is not None for text, _ in found)


@pytest.mark.parametrize(("name", "variant"), [("hotflip", ""), ("a2t", "a2t")])
def test_a_victim_without_an_inside_does_not_apply(name: str, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = build(name, monkeypatch, variant=variant)
    with pytest.raises(NotApplicable):
        run.attack(toys.counter(toys.Toy(bias=9.0)), Example("x", TEXTS[0], 1), 0)


# --- Kuleshov -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [None, 0.7])
def test_kuleshov_is_the_librarys_without_its_language_model(
    target: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = build("kuleshov", monkeypatch, target_max_score=target)
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.constraints.semantics.sentence_encoders import ThoughtVector
    from textattack.search_methods import GreedySearch
    from textattack.transformations import WordSwapEmbedding

    from benchmark_plugins.attacks.embedding import word_embedding

    embedding = word_embedding(toys.table())

    def parts(_: Any) -> tuple[list[Any], Any, Any]:
        limits = [
            RepeatModification(),
            StopwordModification(stop_words()),
            MaxWordsPerturbed(max_percent=0.5),
            ThoughtVector(embedding, threshold=0.2, metric="max_euclidean"),
        ]
        return limits, WordSwapEmbedding(max_candidates=15, embedding=embedding), GreedySearch()

    toy, found = toys.Toy(bias=1.5 if target else 2.5), []
    for text in TEXTS:
        label = toys.label_of(toy, text)
        found.append(toys.ours(run, toy, text, label))
        assert found[-1] == toys.library(parts, toy, text, label, target_max_score=target), text
    assert 3 < sum(text is not None for text, _ in found) < len(TEXTS)


def test_kuleshovs_own_goal_is_no_flip_and_ours_is(monkeypatch: pytest.MonkeyPatch) -> None:
    toy, flipped = toys.Toy(bias=2.5), {}
    for target in (None, 0.7):
        run, _ = build("kuleshov", monkeypatch, target_max_score=target)
        labels = {text: toys.label_of(toy, text) for text in TEXTS}
        found = [(text, toys.ours(run, toy, text, labels[text])[0]) for text in TEXTS]
        flipped[target] = {toys.label_of(toy, new) != labels[old] for old, new in found if new is not None}
    assert flipped[None] == {True}
    assert False in flipped[0.7]


def test_mean_vectors_know_capitals_and_texts_without_a_known_word() -> None:
    import_textattack()
    from benchmark_plugins.attacks.bounds import MeanVectorDistance
    from benchmark_plugins.attacks.embedding import word_embedding

    table = toys.table()
    vector = dict(zip(table.words, np.asarray(table.vectors, dtype=np.float64), strict=True))
    embedding = word_embedding(table)
    a, b, c = toys.CONTENT[:3]
    old = attacked(f"{a.capitalize()} {b} xyzzy")
    new = old.replace_word_at_index(0, c)
    distance = float((((vector[c] + vector[b]) / 2 - (vector[a] + vector[b]) / 2) ** 2).sum())
    for shift, kept in ((1e-5, [new]), (-1e-5, [])):
        assert MeanVectorDistance(embedding, distance + shift)._check_constraint_many([new], old) == kept
    unknown = attacked("xyzzy \u05d0")
    assert MeanVectorDistance(embedding, 0.2)._check_constraint(unknown.replace_word_at_index(0, "yzzyx"), unknown)
    assert not MeanVectorDistance(embedding, 0.2)._check_constraint(unknown.replace_word_at_index(0, a), unknown)


# --- Input reduction ----------------------------------------------------------------------------------------------


def reduced(toy: Any, text: str, label: int) -> tuple[str, int]:
    """By hand: rank words by what is left without them, then remove them in that order as long as it helps."""
    queries = 1

    def score(words: Sequence[str]) -> float:
        nonlocal queries
        queries += 1
        logits = toy.logits([" ".join(words)])[0].astype(np.float64)
        if logits.argmax() != label:
            return 0.0
        share = 1 / (1 + np.exp(logits[1 - label] - logits[label]))
        return float(min((total - len(words)) / total + share / total, 1))

    words = text.split()
    total = len(words)
    current = score(words)
    queries -= 1
    if total == 1:
        return text, queries
    ranks = [score(words[:i] + words[i + 1 :]) for i in range(total)]
    left = list(range(total))
    for i in sorted(range(total), key=lambda i: (-ranks[i], i)):
        if len(left) == 1:
            break
        rest = [j for j in left if j != i]
        found = score([words[j] for j in rest])
        if found > current:
            current, left = found, rest
    return " ".join(words[j] for j in left), queries


def test_input_reduction_is_the_recipe_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = build("input_reduction", monkeypatch)
    toy, lengths = toys.Toy(bias=-0.9), set()
    for text in [*TEXTS, "film"]:
        label = toys.label_of(toy, text)
        expected, queries = reduced(toy, text, label)
        found, asked = toys.ours(run, toy, text, label)
        assert ((found or text).split(), asked) == (expected.split(), queries), text
        assert toys.label_of(toy, expected) == label
        lengths.add(len(expected.split()))
        assert toys.ours(run, toy, text, 1 - label) == (None, 1)  # wrong already
    assert lengths > {1}
    attack = recipe("input_reduction").ATTACK
    assert attack.diagnostic
    assert attack.state is AttackState.FIXED


def test_the_library_loses_its_place_after_a_deletion(monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = build("input_reduction", monkeypatch)
    from textattack import Attack
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.goal_functions import InputReduction
    from textattack.search_methods import GreedyWordSwapWIR
    from textattack.transformations import WordDeletion

    from benchmark_plugins.attacks.runner import VictimWrapper

    toy = toys.Toy(bias=6.0)  # any word may go
    text = "film plot story movie actor"
    goal = InputReduction(VictimWrapper(toys.counter(toy)), maximizable=True, use_cache=False)
    attack = Attack(goal, [RepeatModification()], WordDeletion(), GreedyWordSwapWIR("delete"))
    theirs = attack.attack(text, 1).perturbed_result.attacked_text.text
    found, _ = toys.ours(run, toy, text, 1)
    assert found is not None
    assert len(found.split()) == 1 < len(theirs.split())
    run, _ = build("input_reduction", monkeypatch, target_num_words=2)
    found, _ = toys.ours(run, toy, text, 1)
    assert found is not None
    assert len(found.split()) == 2


# --- all of them --------------------------------------------------------------------------------------------------


ODD = [
    "film",
    "...",
    "",
    "film " * 60,
    "\U0001f600 film",
    "\u05e1\u05e8 film",
    "a\x00b film",
    "[MASK] film [SEP]",
    "the",
]
NAMES = [("a2t", "a2t"), ("a2t", "a2t-mlm"), ("hotflip", ""), ("kuleshov", ""), ("input_reduction", "")]


@pytest.mark.parametrize(("name", "variant"), NAMES)
def test_budgets_and_odd_texts(
    name: str, variant: str, victim: NetworkClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose: dict[str, Any] = {"hotflip": {"min_cos_sim": 0.2}, "a2t": {"threshold": 0.0}}.get(name, {})
    run, _ = build(name, monkeypatch, toys.AnyText(candidates=4), variant, **loose)
    for text in TEXTS[:6]:
        label = toys.label_of(victim, text)
        for budget in (1, 2, 10):
            counter = toys.counter(victim, budget)
            try:
                run.attack(counter, Example("x", text, label), 0)
            except BudgetExhausted:
                assert counter.exhausted
            assert counter.queries <= budget
    for text in ODD:
        counter = toys.counter(victim, 500)
        try:
            found = run.attack(counter, Example("x", text, toys.label_of(victim, text)), 0)
        except BudgetExhausted:
            found = None
        assert found is None or isinstance(found, str)
        assert counter.queries <= 500


def test_options_are_described() -> None:
    attacks = [*recipe("a2t").ATTACKS, *(recipe(n).ATTACK for n in ("hotflip", "kuleshov", "input_reduction"))]
    for attack in attacks:
        assert all(field.description for field in attack.options.model_fields.values()), attack.name
