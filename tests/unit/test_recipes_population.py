"""pso, leap, iga, alzantot: equal to TextAttack where told to be; each mended fault is shown on the library's class."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark import BudgetExhausted, Example
from benchmark.engine import QueryCounter, VictimInfo
from benchmark_plugins.attacks.stopwords import stop_words

STEMS = ("bam", "dor", "fin", "gul", "kep", "lim", "nor", "pas")
GROUPS = tuple(tuple(stem + end for end in "aeio") for stem in STEMS)
TABLE = {word: [other for other in group if other != word] for group in GROUPS for word in group}
INFO = VictimInfo(2, "[MASK]", "[UNK]")
NAMES = ("alzantot", "faster-alzantot", "iga", "pso", "leap")


class Bag:
    """Class 1 while the words' weights sum to more than nothing; weights are drawn once from the word itself."""

    forwards_per_prediction = 1

    def __init__(self, bias: float = 0.0) -> None:
        self.bias, self.batches = bias, []  # type: ignore[var-annotated]

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(list(texts))
        sums = [self.bias + sum(self.weight(word) for word in text.replace(".", "").split()) for text in texts]
        return np.array([[-s, s] for s in sums], dtype=np.float32).reshape(-1, 2)

    @staticmethod
    def weight(word: str) -> float:
        return random.Random(word).uniform(-0.4, 0.6)


class Loose:
    candidates = 50

    def __init__(self, allow: Callable[[str, str], bool] = lambda old, new: True) -> None:
        self.allow = allow

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        return [self.allow(original, text) for text in candidates]


def texts(number: int = 24) -> list[Example]:
    """Texts of 3 to 9 words, some of which have no substitute, that the victim gets right."""
    rng, victim, found = random.Random(5), Bag(), []
    words = [group[0] for group in GROUPS] + ["the", "xyzzy"]
    while len(found) < number:
        text = " ".join(rng.choice(words) for _ in range(rng.randint(3, 9))) + "."
        if victim.logits([text])[0].argmax() == 1:
            found.append(Example(str(len(found)), text, 1))
    return found


@pytest.fixture(autouse=True)
def toy_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors and synsets of the invented words, in place of the real ones."""
    from benchmark_plugins.attacks import embedding
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    words = tuple(word for group in GROUPS for word in group)
    vectors = np.zeros((len(words), 50), dtype=np.float32)
    for i in range(len(words)):
        # The last of each group is too far from the first: 2 - 2 * cos(1.2) = 1.28, the others at most 0.32.
        angle = (0.0, 0.2, 0.4, 1.2)[i % 4]
        vectors[i, i // 4 * 2 : i // 4 * 2 + 2] = math.cos(angle), math.sin(angle)
    order = np.argsort(-(vectors @ vectors.T), axis=1, kind="stable")
    table = embedding.Table(words, vectors, order.astype(np.int32))
    monkeypatch.setattr(embedding, "counter_fitted", lambda resources: table)
    fake = SimpleNamespace(load_synsets=lambda resources: None, WordNetSwap=lambda synsets, limit: swap())
    monkeypatch.setitem(sys.modules, "benchmark_plugins.attacks.synsets", fake)


def swap(table: dict[str, list[str]] = TABLE) -> Any:
    from textattack.transformations import WordSwap

    class TableSwap(WordSwap):
        def _get_replacement_words(self, word: str) -> list[str]:
            return table.get(word, [])

    return TableSwap()


def attack_of(name: str) -> Any:
    from benchmark_plugins.attacks.recipes import alzantot, iga, leap, pso

    found = [*alzantot.ATTACKS, iga.ATTACK, leap.ATTACK, pso.ATTACK]
    return next(attack for attack in found if attack.name == name)


def small(name: str, **options: Any) -> Any:
    """Options of a few members and generations."""
    sizes = ("particles", "iterations") if name in ("pso", "leap") else ("population", "generations")
    return attack_of(name).options(**(dict(zip(sizes, (6, 3), strict=True)) | options))


def built(name: str, contract: Any = None, **options: Any) -> Any:
    return attack_of(name).build(small(name, **options), None, contract or Loose(), None)


def recipe(name: str) -> tuple[list[Any], Any, Any]:
    """The library's own pieces in the order of its recipe, with the small sizes."""
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import MaxModificationRate, RepeatModification, StopwordModification
    from textattack.constraints.semantics import WordEmbeddingDistance
    from textattack.search_methods import (
        AlzantotGeneticAlgorithm,
        ImprovedGeneticAlgorithm,
        ParticleSwarmOptimization,
        ParticleSwarmOptimizationLEAP,
    )
    from textattack.shared import WordEmbedding
    from textattack.transformations import WordSwapEmbedding

    from benchmark_plugins.attacks.embedding import counter_fitted

    stops = StopwordModification(stopwords=stop_words())
    if name == "leap":
        return [MaxModificationRate(max_rate=0.16), stops], swap(), ParticleSwarmOptimizationLEAP(6, 3)
    if name == "pso":
        return [RepeatModification(), stops], swap(), ParticleSwarmOptimization(pop_size=6, max_iters=3)
    table: Any = counter_fitted(None)  # type: ignore[arg-type]
    vectors = WordEmbedding(
        table.vectors, {word: i for i, word in enumerate(table.words)}, table.words, table.neighbours
    )
    near = WordEmbeddingDistance(
        embedding=vectors, max_mse_dist=0.5, compare_against_original=name == "faster-alzantot"
    )
    limits = [stops, MaxWordsPerturbed(max_percent=0.2), near]
    if name == "iga":
        genes = ImprovedGeneticAlgorithm(6, 3, post_crossover_check=False, max_replace_times_per_index=5)
        return limits, WordSwapEmbedding(50, vectors), genes
    return (
        [RepeatModification(), *limits],
        WordSwapEmbedding(8, vectors),
        AlzantotGeneticAlgorithm(6, 3, post_crossover_check=False),
    )


def assembled(victim: Any, constraints: list[Any], transformation: Any, search: Any) -> Any:
    """TextAttack's Attack around a victim of logits."""
    from textattack import Attack
    from textattack.goal_functions import UntargetedClassification

    def scores(texts: Sequence[str]) -> NDArray[np.float64]:
        powers = np.exp(np.asarray(victim.logits(list(texts)), dtype=np.float64))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True)).round(12)

    class Wrapper:
        model = None

        def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
            return scores(texts)

    goal = UntargetedClassification(Wrapper(), use_cache=False, model_batch_size=1 << 20)
    return Attack(goal, constraints, transformation, search)


def searching(search: Any, text: str, victim: Any = None, constraints: Sequence[Any] = (), table: Any = TABLE) -> Any:
    """A search joined to a toy attack, and the result of its first text."""
    from textattack.shared import AttackedText

    attack = assembled(victim or Bag(), list(constraints), swap(table), search)
    initial, _ = attack.goal_function.init_attack_example(AttackedText(text), 1)
    return attack, initial


def count(word: str) -> int:
    return len(TABLE.get(word, []))


def genetic(kind: str, fixed: bool, population: int = 6, generations: int = 3) -> Any:
    from textattack.search_methods import AlzantotGeneticAlgorithm, ImprovedGeneticAlgorithm

    from benchmark_plugins.attacks.population_genetic import FixedAlzantot, FixedImproved

    if fixed and kind == "alzantot":
        return FixedAlzantot(population, generations, 0.3, 20, count)
    if fixed:
        return FixedImproved(population, generations, 0.3, 20, 5)
    library = AlzantotGeneticAlgorithm if kind == "alzantot" else ImprovedGeneticAlgorithm
    return library(population, generations, post_crossover_check=False)


def swarm(kind: str, fixed: bool, retries: int = 20, towards_elite: bool = False, size: int = 6) -> Any:
    from textattack.search_methods import ParticleSwarmOptimization, ParticleSwarmOptimizationLEAP

    from benchmark_plugins.attacks.population_pso import FixedLEAP, FixedPSO

    if fixed and kind == "pso":
        return FixedPSO(size, 3, True, retries, count)
    if fixed:
        return FixedLEAP(size, 3, True, retries, towards_elite)
    library = ParticleSwarmOptimization if kind == "pso" else ParticleSwarmOptimizationLEAP
    return library(size, 3, True, retries)


def changed(old: str, new: str) -> list[int]:
    return [i for i, (a, b) in enumerate(zip(old.split(), new.split(), strict=True)) if a != b]


# --- whole attacks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_legacy_is_the_library_text_for_text_and_query_for_query(name: str) -> None:
    from textattack.attack_results import SuccessfulAttackResult

    run, seen = built(name, legacy=True), set()
    for example in texts():
        counter = QueryCounter(Bag(), INFO)
        ours = run.attack(counter, example, 7)
        constraints, transformation, search = recipe(name)
        attack = assembled(Bag(), constraints, transformation, search)
        np.random.seed(7)
        result = attack.attack(example.text, 1)
        won = isinstance(result, SuccessfulAttackResult)
        assert ours == (result.perturbed_result.attacked_text.text if won else None)
        assert counter.queries == result.num_queries
        seen.add(won)
    assert seen == {True, False}


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_result_whatever_ran_before_and_another_object(name: str) -> None:
    def results(run: Any, order: Sequence[Example]) -> dict[str, Any]:
        found = {}
        for example in order:
            counter = QueryCounter(Bag(), INFO)
            found[example.id] = (run.attack(counter, example, 3), counter.queries)
        return found

    order, run = texts(10), built(name)
    first = results(run, order)
    assert any(text for text, _ in first.values())
    assert results(run, order[::-1]) == first == results(built(name), order)
    random.seed(99), np.random.seed(99)
    assert results(run, order) == first


@pytest.mark.parametrize("name", NAMES)
def test_a_returned_text_flips_the_victim_within_the_limits_of_the_recipe(name: str) -> None:
    share, won = {"pso": 1.0, "leap": 0.16}.get(name, 0.2), 0
    for example in texts():
        text = built(name).attack(QueryCounter(Bag(), INFO), example, 1)
        if text is not None:
            won += 1
            assert Bag().logits([text])[0].argmax() == 0
            words = example.text.rstrip(".").split()
            places = changed(" ".join(words), text.rstrip("."))
            assert 0 < len(places) <= math.ceil(share * len(words))
            assert not {words[i] for i in places} & {"the", "xyzzy"}
    assert won >= 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", [1, 2, 10])
def test_no_query_past_the_budget(name: str, budget: int) -> None:
    spent = 0
    for example in texts(8):
        victim = Bag(bias=50.0)  # never flips
        counter = QueryCounter(victim, INFO, budget)
        try:
            assert built(name).attack(counter, example, 1) is None
        except BudgetExhausted:
            spent += 1
        assert counter.queries <= budget
        assert sum(map(len, victim.batches)) <= budget
    assert spent >= 6


@pytest.mark.parametrize("name", NAMES)
def test_the_search_stays_inside_the_contract(name: str) -> None:
    """No text is asked that the contract forbids: at most one word away from the original."""
    for example in texts(10):
        victim = Bag(bias=50.0)
        contract = Loose(lambda old, new: len(changed(old, new)) <= 1)
        built(name, contract).attack(QueryCounter(victim, INFO), example, 1)
        assert all(len(changed(example.text, text)) <= 1 for batch in victim.batches for text in batch)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text", ["bama", "...", "!", "😀 😀", "שלום עולם טוב", "a\x00b bama", "the the", "xyzzy " * 30]
)
def test_strange_texts_end_in_a_text_or_none(name: str, text: str) -> None:
    result = built(name).attack(QueryCounter(Bag(bias=9.0), INFO), Example("x", text, 1), 1)
    assert result is None


@pytest.mark.parametrize("name", NAMES)
def test_a_long_text_without_substitutes_asks_once(name: str) -> None:
    counter = QueryCounter(Bag(bias=9.0), INFO)
    assert built(name).attack(counter, Example("x", "xyzzy the " * 300, 1), 1) is None
    assert counter.queries == 1


def test_every_option_is_described_and_defaults_are_those_of_the_papers() -> None:
    for name in NAMES:
        assert all(field.description for field in attack_of(name).options.model_fields.values())
    assert (attack_of("pso").options().particles, attack_of("pso").options().iterations) == (60, 20)
    assert (attack_of("iga").options().population, attack_of("iga").options().replacements) == (60, 5)
    assert attack_of("alzantot").options().generations == 20
    assert attack_of("faster-alzantot").options().generations == 40
    assert attack_of("leap").options().max_rate == 0.16


# --- where nothing is mended, the same as the library -----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["alzantot", "iga"])
@pytest.mark.parametrize("seed", range(5))
def test_first_generation_is_that_of_the_library(kind: str, seed: int) -> None:
    """Where every word has a substitute, no success occurs and (iga) no word is the first one."""
    text = " ".join(group[seed % 4] for group in GROUPS[:6])
    found = []
    for fixed in (True, False):
        search = genetic(kind, fixed)
        _, initial = searching(search, text, Bag(bias=9.0))
        np.random.seed(seed)
        members = search._initialize_population(initial, 6)
        found.append([(m.attacked_text.text, m.result.score) for m in members])
    if kind == "iga":  # the library's member of word 0 is of a random word; ours are sorted
        found = [sorted(x for x in members if changed(text, x[0]) != [0]) for members in found]
        assert set(found[0]) <= set(found[1])
    else:
        assert found[0] == found[1]


@pytest.mark.parametrize("seed", range(8))
def test_leap_is_the_library_while_nothing_succeeds(seed: int) -> None:
    example, found = texts()[seed], []
    for fixed in (True, False):
        attack = assembled(Bag(bias=9.0), [], swap(), swarm("leap", fixed))
        np.random.seed(seed)
        result = attack.attack(example.text, 1)
        found.append((result.perturbed_result.attacked_text.text, result.perturbed_result.score, result.num_queries))
    assert found[0] == found[1]
    assert found[0][2] > 20


# --- mended faults of the genetic searches ----------------------------------------------------------------------------

TEXT = "bama dora fina gula kepa"


def parent_odds(search: Any, monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float64]]:
    """The odds with which the parents of the generations were drawn, best member first."""
    found, choice = [], np.random.choice

    def recorded(a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Any:
        if size == 5:
            found.append(np.array(p))
        return choice(a, size=size, replace=replace, p=p)

    _, initial = searching(search, "bama dora fina gula kepa lima", Bag(bias=3.0))
    with monkeypatch.context() as patch:
        patch.setattr(np.random, "choice", recorded)
        np.random.seed(0)
        search.perform_search(initial)
    return found


@pytest.mark.parametrize("kind", ["alzantot", "iga"])
def test_stronger_parents_are_likelier(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def rising(odds: NDArray[np.float64]) -> bool:
        return odds[0] <= odds[-1] and not np.allclose(odds[0], odds[-1])

    theirs = parent_odds(genetic(kind, False), monkeypatch)
    assert theirs
    assert any(rising(odds) for odds in theirs)
    ours = parent_odds(genetic(kind, True), monkeypatch)
    assert ours
    assert all((np.diff(odds) <= 1e-12).all() for odds in ours)
    assert any(odds[0] > odds[-1] + 1e-6 for odds in ours)


def test_parent_weights_by_hand() -> None:
    from benchmark_plugins.attacks.population_genetic import parent_weights

    assert parent_weights([0.3 * math.log(3), 0.0], 0.3) == pytest.approx([0.75, 0.25])
    assert parent_weights([1.0, 1.0], 1e-3) == pytest.approx([0.5, 0.5])


def member_of(initial: Any, kind: str, weights: Sequence[int]) -> Any:
    from textattack.search_methods import PopulationMember

    key = "num_candidate_transformations" if kind == "alzantot" else "num_replacements_left"
    return PopulationMember(initial.attacked_text, initial, {key: np.array(weights)})


@pytest.mark.parametrize("kind", ["alzantot", "iga"])
@pytest.mark.parametrize("fixed", [True, False])
def test_index_0_means_the_first_word(kind: str, fixed: bool) -> None:
    """The library takes 0 for 'no index' and draws: here it can only draw the last word."""
    search = genetic(kind, fixed)
    victim = Words({"bame": -0.1, "kepe": -0.1})
    _, initial = searching(search, TEXT, victim)
    member = search._perturb(member_of(initial, kind, [0, 0, 0, 0, 1]), initial, index=0)
    assert changed(TEXT, member.attacked_text.text) == ([0] if fixed else [4])


class Words(Bag):
    """Weights written down; every other word has none."""

    def __init__(self, weights: dict[str, float], bias: float = 1.0) -> None:
        super().__init__(bias)
        self.weights = weights

    def weight(self, word: str) -> float:  # type: ignore[override]
        return self.weights.get(word, 0.0)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_named_position_is_tried_once(fixed: bool) -> None:
    """No substitute improves: the library asks for the same three texts once for every word."""
    search, victim = genetic("iga", fixed), Words({})
    _, initial = searching(search, TEXT, victim)
    search._perturb(member_of(initial, "iga", [5] * 5), initial, index=2)
    assert sum(map(len, victim.batches[1:])) == (3 if fixed else 15)


@pytest.mark.parametrize("kind", ["alzantot", "iga"])
def test_children_keep_the_limit_on_edits(kind: str) -> None:
    """Two parents of one edit each, at most one allowed: no child may have both."""
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.search_methods import PopulationMember

    most = {}
    for fixed in (True, False):
        search = genetic(kind, fixed)
        attack, initial = searching(search, TEXT, Bag(bias=9.0), [MaxWordsPerturbed(max_num_words=1)])
        base = member_of(initial, kind, [1] * 5)
        parents = []
        for index in (0, 4):
            text = search.get_transformations(initial.attacked_text, initial.attacked_text, indices_to_modify=[index])[
                0
            ]
            parents.append(PopulationMember(text, attack.goal_function.get_results([text])[0][0], base.attributes))
        np.random.seed(1)
        children = [
            search._crossover(*pair, initial.attacked_text) for _ in range(20) for pair in (parents, parents[::-1])
        ]
        most[fixed] = max(len(changed(TEXT, child.attacked_text.text)) for child in children)
    assert most == {True: 1, False: 2}


@pytest.mark.parametrize("kind", ["alzantot", "iga"])
def test_children_of_the_last_generation_count(kind: str) -> None:
    """Ours returns the best text it ever asked for; the library pays for better ones and drops them."""
    lost = {True: 0, False: 0}
    for seed in range(6):
        for fixed in (True, False):
            search, asked = genetic(kind, fixed, generations=1), [0.0]
            _, initial = searching(search, "bama dora fina gula kepa lima", Bag(bias=9.0))
            ask = search.get_goal_results

            def noted(texts: Any, ask: Any = ask, asked: Any = asked) -> Any:
                results = ask(texts)
                asked += [result.score for result in results[0]]
                return results

            search.get_goal_results = noted
            np.random.seed(seed)
            lost[fixed] += search.perform_search(initial).score < max(asked)
    assert lost[True] == 0 < lost[False]


@pytest.mark.parametrize("kind", ["alzantot", "iga", "pso", "leap"])
def test_a_success_ends_the_search_and_survives_the_budget(kind: str) -> None:
    """One substitute flips. Ours stops with the batch that holds it; the library goes on asking."""
    winner = "bama dora fine gula kepa"
    after = {}
    for fixed in (True, False):
        victim = Words({"fine": -5.0})
        search = genetic(kind, fixed) if kind in ("alzantot", "iga") else swarm(kind, fixed)
        attack = assembled(victim, [], swap(), search)
        np.random.seed(2)
        result = attack.attack(TEXT, 1)
        assert result.perturbed_result.attacked_text.text.count("fine") == 1
        first = next(i for i, batch in enumerate(victim.batches) if any("fine" in text for text in batch))
        after[fixed] = len(victim.batches) - 1 - first
        spent = sum(map(len, victim.batches[: first + 1]))
        counter = QueryCounter(Words({"fine": -5.0}), INFO, spent)
        search = genetic(kind, fixed) if kind in ("alzantot", "iga") else swarm(kind, fixed)
        again = assembled(counter, [], swap(), search)
        np.random.seed(2)
        if fixed:
            assert again.attack(TEXT, 1).perturbed_result.attacked_text.text == winner
        else:
            with pytest.raises(BudgetExhausted):
                again.attack(TEXT, 1)
    assert after[True] == 0 < after[False]


@pytest.mark.parametrize("kind", ["alzantot", "iga", "leap", "pso"])
def test_a_text_without_substitutes_is_asked_once(kind: str) -> None:
    asked = {}
    for fixed in (True, False):
        search = genetic(kind, fixed) if kind in ("alzantot", "iga") else swarm(kind, fixed)
        asked[fixed] = assembled(Bag(bias=9.0), [], swap({}), search).attack("xyzzy plugh", 1).num_queries
    assert asked[True] == 1 < asked[False]


def test_positions_without_substitutes_are_not_drawn() -> None:
    draws = {}
    for fixed in (True, False):
        search, places = genetic("alzantot", fixed), []
        _, initial = searching(search, "xyzzy " * 9 + "bama", Bag(bias=9.0))
        transform = search.get_transformations

        def noted(*args: Any, transform: Any = transform, places: Any = places, **kwargs: Any) -> Any:
            places.extend(kwargs.get("indices_to_modify", []))
            return transform(*args, **kwargs)

        search._initialize_population(initial, 1)
        member = search._initialize_population(initial, 1)[0]
        search.get_transformations = noted
        np.random.seed(0)
        search._perturb(member, initial)
        draws[fixed] = {int(i) for i in places} - {9}
    assert draws[True] == set()
    assert draws[False] != set()


@pytest.mark.parametrize("fixed", [True, False])
def test_iga_keeps_the_best_of_a_text_longer_than_its_population(fixed: bool) -> None:
    search = genetic("iga", fixed, population=2)
    weights = {"bame": -0.1, "dore": -0.1, "fine": -0.1, "gule": -0.1, "kepe": -0.5}
    _, initial = searching(search, TEXT, Words(weights))
    np.random.seed(1)  # the library's member of word 0 is that of word 2
    members = search._initialize_population(initial, 2)
    assert len(members) == 2
    assert any(changed(TEXT, m.attacked_text.text) == [4] for m in members) is fixed


# --- mended faults of the particle swarms -----------------------------------------------------------------------------


def pair(search: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
    """Original, an elite and a particle with different edits at every position."""
    from textattack.search_methods import PopulationMember

    attack, initial = searching(search, "bama dora fina", Bag(bias=9.0), **kwargs)
    text, made = initial.attacked_text, []
    for end in "eo":
        new = text.replace_words_at_indices([0, 1, 2], ["bam" + end, "dor" + end, "fin" + end])
        new.attack_attrs["last_transformation"] = attack.transformation
        made.append(PopulationMember(new, attack.goal_function.get_results([new])[0][0]))
    return text, made[0], made[1]


@pytest.mark.parametrize(("fixed", "stays", "goes"), [(True, "o", "e"), (False, "e", "o")])
def test_a_pso_turn_moves_the_particle_towards_the_elite(fixed: bool, stays: str, goes: str) -> None:
    """Chance 1 at a word means: take the elite's. The library returns the particle's own words."""
    search = swarm("pso", fixed)
    text, elite, particle = pair(search)
    assert search._turn(elite, particle, np.zeros(3), text).words == [f"bam{stays}", f"dor{stays}", f"fin{stays}"]
    assert search._turn(elite, particle, np.ones(3), text).words == [f"bam{goes}", f"dor{goes}", f"fin{goes}"]
    mixed = search._turn(elite, particle, np.array([1.0, 0.0, 0.0]), text)
    assert mixed.words == [f"bam{goes}", f"dor{stays}", f"fin{stays}"]


@pytest.mark.parametrize(("towards", "words"), [(True, ["bame", "doro", "fino"]), (False, ["bamo", "dore", "fine"])])
def test_leap_turns_as_its_authors_do_unless_told_otherwise(towards: bool, words: list[str]) -> None:
    search = swarm("leap", True, towards_elite=towards)
    text, elite, particle = pair(search)
    assert search._turn(elite, particle, np.array([1.0, 0.0, 0.0]), text).words == words
    if not towards:
        library = swarm("leap", False)
        text, elite, particle = pair(library)
        assert library._turn(elite, particle, np.array([1.0, 0.0, 0.0]), text).words == words


def refusing() -> Any:
    from textattack.constraints import Constraint

    class Refusing(Constraint):
        calls = 0

        def __init__(self) -> None:
            super().__init__(compare_against_original=True)

        def _check_constraint(self, transformed_text: Any, reference_text: Any) -> bool:
            self.calls += 1
            return False

    return Refusing()


@pytest.mark.parametrize("kind", ["pso", "leap"])
def test_max_turn_retries_is_honoured_and_a_refused_turn_leaves_a_copy(kind: str) -> None:
    tries = {}
    for fixed in (True, False):
        search, constraint = swarm(kind, fixed, retries=2), refusing()
        text, elite, particle = pair(search, constraints=[constraint])
        search.filter_transformations = lambda new, *args, c=constraint, **kwargs: [
            x for x in new if c._check_constraint(x, None)
        ]
        stays = search._turn(elite, particle, np.array([1.0, 0.0, 0.0]), text)
        assert stays is not elite
        assert stays is not particle
        tries[fixed] = constraint.calls
    assert tries == {True: 3, False: 21}


def test_a_pso_mutation_tries_one_position() -> None:
    """The library asks for all substitutes of all five words, ours for those of one."""
    asked = {}
    for fixed in (True, False):
        search, victim = swarm("pso", fixed), Bag(bias=9.0)
        _, initial = searching(search, TEXT, victim)
        if fixed:
            search._weights = np.array([3] * 5)
        before = sum(map(len, victim.batches))
        search._perturb(next(iter([member_of(initial, "iga", [])])), initial)
        asked[fixed] = sum(map(len, victim.batches)) - before
    assert asked == {True: 3, False: 15}


def test_pso_asks_no_text_twice() -> None:
    counts = {}
    for fixed in (True, False):
        victim = Bag(bias=9.0)
        attack = assembled(victim, [], swap(), swarm("pso", fixed))
        np.random.seed(4)
        attack.attack(TEXT, 1)
        flat = [text for batch in victim.batches[1:] for text in batch]
        counts[fixed] = len(flat) - len(set(flat))
    assert counts[True] == 0 < counts[False]


def test_leap_turns_keep_the_limit_on_edits() -> None:
    most = {}
    for legacy in (False, True):
        victim = Bag(bias=9.0)
        run = attack_of("leap").build(
            small("leap", legacy=legacy, max_rate=0.2, particles=8, iterations=8), None, Loose(), None
        )
        text = " ".join(group[0] for group in GROUPS)  # 8 words: 2 may be edited
        for seed in range(4):
            run.attack(QueryCounter(victim, INFO), Example("x", text, 1), seed)
        most[legacy] = max(len(changed(text, asked)) for batch in victim.batches for asked in batch)
    assert most[False] == 2 < most[True]
