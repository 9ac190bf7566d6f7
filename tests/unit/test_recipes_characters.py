"""textbugger, pruthi, checklist, bad-characters: against the library's own classes, and where these are mended."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import recipe_toys as toys
from numpy.typing import NDArray

from benchmark import AttackState, BudgetExhausted, Example, Track
from benchmark_plugins.attacks import homoglyphs, imperceptible
from benchmark_plugins.attacks.entities import Entity, SpacyEntities
from benchmark_plugins.attacks.recipes import bad_characters, checklist, pruthi, textbugger
from benchmark_plugins.attacks.stopwords import stop_words
from benchmark_plugins.attacks.textattack_env import import_textattack

TEXTS = toys.sentences(24, seed=8)
ODD = (
    "",
    " -- !?",
    "a",
    "😀 good 😀",
    "\x00good\x00",
    "شيء جيد",
    "2² ٣ 99999999999999999999999999 and",
    "İstanbul ﬁlm",
)
PEOPLE = ("Anna", "Kowalski", "Bob")
PLACES = ("Dallas", "Paris", "France", "York")


class AnyText(toys.AnyText):
    def __init__(self, candidates: int = 1000, track: Track = Track.NATIVE, **rest: Any) -> None:
        super().__init__(candidates, **rest)
        self.track = track


class Names:
    """A pipeline that knows the names above by their spelling; equal kinds side by side are one entity."""

    def __init__(self) -> None:
        import spacy

        self.vocab = spacy.blank("en").vocab

    def __call__(self, doc: Any) -> Any:
        from spacy.tokens import Span
        from spacy.util import filter_spans

        found = []
        for start in range(len(doc)):
            for label, names in (("PERSON", PEOPLE), ("GPE", PLACES), ("ORG", ("Acme",))):
                end = start
                while end < len(doc) and doc[end].text in names:
                    end += 1
                if end > start:
                    found.append(Span(doc, start, end, label=label))
        doc.ents = filter_spans(found)
        return doc


@pytest.fixture(autouse=True)
def toy_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark_plugins.attacks import embedding

    vectors = toys.table()
    monkeypatch.setattr(embedding, "counter_fitted", lambda resources: vectors)
    monkeypatch.setattr(SpacyEntities, "load", classmethod(lambda cls, resources: cls(Names())))


ATTACKS = {
    attack.name: attack for attack in (*textbugger.ATTACKS, pruthi.ATTACK, checklist.ATTACK, *bad_characters.ATTACKS)
}


def build(name: str, contract: Any = None, **options: Any) -> Any:
    attack = ATTACKS[name]
    resources: Any = SimpleNamespace(model=lambda name: toys.Encoder())
    return attack.build(attack.options(**options), resources, contract or AnyText(), None)  # type: ignore[arg-type]


def attacked(text: str) -> Any:
    import_textattack()
    from textattack.shared import AttackedText

    return AttackedText(text)


def texts_of(transformation: Any, text: str, free: Sequence[int] | None = None) -> list[str]:
    return [found.text for found in transformation(attacked(text), indices_to_modify=free)]


def transformations() -> ModuleType:
    import_textattack()
    import textattack.transformations as library

    return library  # type: ignore[no-any-return]


def rules() -> list[Any]:
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification

    return [RepeatModification(), StopwordModification(stopwords=stop_words())]


def library_homoglyphs() -> Any:
    """The library's class, stopped at the file that its package lacks."""
    kind = transformations().WordSwapHomoglyphSwap
    made = kind.__new__(kind)
    with pytest.raises(FileNotFoundError):
        made.__init__()
    return made


def compare(
    run: Any,
    parts: Callable[[Any], tuple[list[Any], Any, Any]],
    texts: Sequence[str] = TEXTS,
    biases: Sequence[float] = (0.0, 2.0),
) -> list[str | None]:
    """Our texts and queries and those of the library, on all texts; the library is seeded as our run seeds itself."""
    from benchmark_plugins.attacks.runner import seeded

    found = []
    for text in texts:
        for bias in biases:
            label = toys.label_of(toys.Toy(bias), text)
            mine = toys.ours(run, toys.Toy(bias), text, label)
            with seeded(0):
                assert mine == toys.library(parts, toys.Toy(bias), text, label), text
            found.append(mine[0])
    return found


# --- all of them --------------------------------------------------------------------------------------------------


def test_names_and_states() -> None:
    assert {name: (attack.display, attack.state) for name, attack in ATTACKS.items()} == {
        "textbugger": ("textbugger+fix[cf-glove50,muse]", AttackState.VARIANT),
        "textbugger-words": ("textbugger-words[cf-glove50,muse]", AttackState.VARIANT),
        "pruthi": ("pruthi+fix", AttackState.FIXED),
        "checklist": ("checklist+fix[spacy]", AttackState.VARIANT),
        "bad-characters": ("bad-characters+fix[greek-cyrillic]", AttackState.VARIANT),
        "bad-characters-invisible": ("bad-characters-invisible+fix", AttackState.FIXED),
        "bad-characters-deletions": ("bad-characters-deletions+fix", AttackState.FIXED),
        "bad-characters-reorderings": ("bad-characters-reorderings+fix", AttackState.FIXED),
    }


@pytest.mark.parametrize("name", ATTACKS)
def test_budgets_seeds_contract_and_odd_texts(name: str) -> None:
    text = "Anna Kowalski isn't in Dallas but scores one hundred and five great films"
    run = build(name)
    for budget in (1, 2, 10):
        victim = toys.counter(toys.Toy(bias=99.0), budget)
        with pytest.raises(BudgetExhausted):
            run.attack(victim, Example("x", text, 1), 0)
        assert victim.queries <= budget
    asked = []
    for seed, before in ((7, False), (7, True), (8, False)):
        if before:
            run.attack(toys.counter(toys.Toy(bias=1.0)), Example("y", TEXTS[0], 1), 1)
        classifier = toys.Toy(bias=99.0)
        assert run.attack(toys.counter(classifier), Example("x", text, 1), seed) is None
        asked.append(classifier.calls)
    assert asked[0] == asked[1]
    assert (asked[0] != asked[2]) is (name not in ("pruthi", "textbugger-words"))
    refused = build(name, AnyText(allow=lambda old, new: False))
    _, queries = toys.ours(refused, toys.Toy(bias=9.0), text, 1)
    free = sum(word not in stop_words() for word in text.split())
    assert queries == (1 + free if name.startswith("textbugger") else 1)
    assert toys.ours(run, toys.Toy(bias=-99.0), text, 1) == (None, 1)  # wrong already
    for odd in ODD:
        found, _ = toys.ours(run, toys.Toy(bias=2.0), odd, 1)
        assert found is None or found != odd


# --- greedy search ------------------------------------------------------------------------------------------------


def greedy(search: Any, table: dict[str, list[str]]) -> Callable[[Any], tuple[list[Any], Any, Any]]:
    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.transformations import WordSwap

    class TableSwap(WordSwap):
        def _get_replacement_words(self, word: str) -> list[str]:
            return table.get(word, [])

    return lambda victim: ([RepeatModification()], TableSwap(), search)


def run_of(parts: Callable[[Any], tuple[list[Any], Any, Any]]) -> Any:
    from benchmark_plugins.attacks.runner import TextAttackRun

    return TextAttackRun(parts)


def test_uncapped_greedy_equals_the_library() -> None:
    import_textattack()
    from textattack.search_methods import GreedySearch

    from benchmark_plugins.attacks.greedy import CappedGreedy

    table = {word: toys.CONTENT[i + 1 : i + 4] for i, word in enumerate(toys.CONTENT)}
    found = compare(run_of(greedy(CappedGreedy(None), table)), greedy(GreedySearch(), table))
    assert None in found
    assert sum(text is not None for text in found) > 20


def searched(search: Any, table: dict[str, list[str]], text: str, budget: Any = float("inf")) -> Any:
    from textattack import Attack
    from textattack.goal_functions import UntargetedClassification

    from benchmark_plugins.attacks.runner import VictimWrapper

    victim = toys.counter(toys.Toy(bias=99.0))
    goal = UntargetedClassification(VictimWrapper(victim), use_cache=False, query_budget=budget)
    result = Attack(goal, *greedy(search, table)(victim)).attack(text, 1)
    return result.perturbed_result.attacked_text.text, victim.queries


def test_greedy_caps_its_steps_returns_the_best_and_survives_a_budget_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import_textattack()
    from textattack.search_methods import GreedySearch

    from benchmark_plugins.attacks.greedy import CappedGreedy

    values = {"good": 1.0, "fine": 0.5, "film": 0.0, "best": 4.0}
    monkeypatch.setattr(toys, "fraction", lambda word: values[word] / 100 - 49.45)  # 2 words: near 50 %
    table = {"good": ["fine"], "film": ["best"]}
    # The first step helps, the second does harm: the library returns what is left after it.
    assert searched(GreedySearch(), table, "good film") == ("fine best", 3 + 1)
    assert searched(CappedGreedy(None), table, "good film") == ("fine film", 3 + 1)
    assert searched(CappedGreedy(1), table, "good film") == ("fine film", 3)
    assert searched(CappedGreedy(None), table, "good film", 1) == ("good film", 1)
    with pytest.raises(ValueError, match="empty sequence"):
        searched(GreedySearch(), table, "good film", 1)
    with pytest.raises(ValueError, match="one step"):
        CappedGreedy(0)


def test_first_hit_asks_word_by_word_and_ends_at_the_first_list_with_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    import_textattack()
    from benchmark_plugins.attacks import greedy as module

    values = {"a1": 1.0, "b1": 1.0, "c1": 1.0, "a2": 0.5, "a3": 0.4, "b2": -4.0, "b3": -5.0, "c2": -99.0}
    monkeypatch.setattr(toys, "fraction", lambda word: values[word])
    table = {"a1": ["a3", "a2"], "b1": ["b2", "b3"], "c1": ["c2"]}
    for chunk, calls in ((1, [2, 2]), (3, [4]), (128, [5])):
        monkeypatch.setattr(module, "CHUNK", chunk)
        classifier = toys.Toy()
        found, _ = toys.ours(run_of(greedy(module.FirstHitGreedy(2), table)), classifier, "a1 b1 c1", 1)
        assert [len(call) for call in classifier.calls] == [1, *calls]
        assert found == ("a1 b1 c2" if chunk == 128 else "a1 b3 c1")
    assert toys.ours(run_of(greedy(module.FirstHitGreedy(2), {})), toys.Toy(), "a1 b1", 1) == (None, 1)


# --- bugs ---------------------------------------------------------------------------------------------------------


def test_homoglyphs_are_the_recipes_and_need_no_file() -> None:
    from benchmark_plugins.attacks.bugs import HomoglyphBug

    theirs = library_homoglyphs()
    assert dict(homoglyphs.SIMILAR) == theirs.homos
    for word in ("good", "1990's", "Ünïcode", "X", ""):
        assert HomoglyphBug()._get_replacement_words(word) == theirs._get_replacement_words(word)
    assert len(HomoglyphBug()._get_replacement_words("good")) == 4


def test_confusables_are_letters_of_the_same_case_in_other_alphabets() -> None:
    table = homoglyphs.confusables()
    assert len(table) == 31
    assert sum(len(others) for others in table.values()) == 45
    assert table["a"] == ("\u0430",)
    assert table["P"] == ("\u03a1", "\u0420")
    for letter, others in table.items():
        for other in others:
            assert unicodedata.name(other).startswith(("GREEK", "CYRILLIC"))
            assert unicodedata.category(other) == unicodedata.category(letter)
            assert unicodedata.normalize("NFKD", other) != letter  # a victim's normaliser does not undo it


def test_every_letter_in_every_inner_gap_where_the_library_leaves_one_out() -> None:
    from benchmark_plugins.attacks.bugs import EveryInsertion

    assert EveryInsertion("xy")._get_replacement_words("cat") == ["cxat", "cyat", "caxt", "cayt"]
    assert EveryInsertion("xy")._get_replacement_words("c") == []
    theirs = transformations().WordSwapRandomCharacterInsertion(
        random_one=False, skip_first_char=True, skip_last_char=True, letters_to_insert="xy"
    )
    drawn = {word for _ in range(30) for word in theirs._get_replacement_words("cat")}
    assert drawn == {"cxat", "cyat"}


def test_a_limit_is_for_each_position_and_picks_evenly() -> None:
    import_textattack()
    from benchmark_plugins.attacks.bugs import EveryInsertion, LimitedComposite, evenly

    assert evenly(range(10), 4) == [0, 2, 5, 7]
    assert evenly(range(3), 4) == [0, 1, 2]
    swap = EveryInsertion("wxyz")
    assert len(texts_of(LimitedComposite([swap], None), "cat cat")) == 16
    assert texts_of(LimitedComposite([swap], 2), "cat cat") == ["cwat cat", "cawt cat", "cat cwat", "cat cawt"]
    assert LimitedComposite([swap], 1)(attacked("cat cat"), return_indices=True) == [0, 1]
    assert texts_of(LimitedComposite([EveryInsertion(" x")], 1), "cat cat") == ["c at cat", "cat c at"]


# --- textbugger ---------------------------------------------------------------------------------------------------


def textbugger_parts(words_only: bool, search: Callable[[str], Any]) -> Callable[[Any], tuple[list[Any], Any, Any]]:
    """The recipe from the library's own classes; only the assets and the homoglyph file are ours."""
    library = transformations()
    from textattack.constraints.semantics.sentence_encoders import SentenceEncoder

    from benchmark_plugins.attacks.embedding import word_embedding

    class Windows(SentenceEncoder):
        def encode(self, sentences: Sequence[str]) -> Any:
            return toys.Encoder().encode(sentences)

    def parts(victim: Any) -> tuple[list[Any], Any, Any]:
        inner: dict[str, Any] = {"random_one": True, "skip_first_char": True, "skip_last_char": True}
        kinds = [
            library.WordSwapRandomCharacterInsertion(letters_to_insert=" ", **inner),
            library.WordSwapRandomCharacterDeletion(**inner),
            library.WordSwapNeighboringCharacterSwap(**inner),
            library_homoglyphs(),
        ]
        near = library.WordSwapEmbedding(max_candidates=5, embedding=word_embedding(toys.table()))
        swap = library.CompositeTransformation([*([] if words_only else kinds), near])
        return [*rules(), Windows(threshold=0.8, metric="angular")], swap, search(victim.unknown_token)

    return parts


def drifting(unknown: str) -> Any:
    from textattack.search_methods import GreedyWordSwapWIR

    return GreedyWordSwapWIR("delete", unk_token=unknown)


def following(unknown: str) -> Any:
    """The library's search, told to follow its positions."""

    class Following(type(drifting(unknown))):  # type: ignore[misc]
        def perform_search(self, initial_result: Any) -> Any:
            self.get_transformations = partial(self.get_transformations, shifted_idxs=True)
            return super().perform_search(initial_result)

    return Following("delete", unk_token=unknown)


def test_textbugger_words_equals_the_library() -> None:
    found = compare(build("textbugger-words"), textbugger_parts(True, drifting))
    assert None in found
    assert sum(text is not None for text in found) > 10


def test_textbugger_equals_the_library_with_positions_followed() -> None:
    found = compare(build("textbugger"), textbugger_parts(False, following))
    assert sum(text is not None for text in found) > 10


def test_textbugger_reaches_words_behind_a_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """A blank in each of three words is needed; after the first one the library visits the wrong places."""
    weights = {"AZ": 5.0, "BY": 4.5, "CX": 4.0}  # first and last letter: every other edit leaves them alone
    monkeypatch.setattr(toys, "fraction", lambda word, salt="": weights.get(word[0] + word[-1], 0.1))
    text, label = "AdefghiZ BdefghiY CdefghiX", 1

    def parts(victim: Any) -> tuple[list[Any], Any, Any]:
        return (rules(), *textbugger_parts(False, drifting)(victim)[1:])

    found, _ = toys.ours(build("textbugger", threshold=-1.0), toys.Toy(bias=-3.0), text, label)
    assert found is not None
    assert len(found.split()) == 6
    assert toys.library(parts, toys.Toy(bias=-3.0), text, label)[0] is None


def test_textbugger_obeys_the_contracts_number_on_its_track_only() -> None:
    word = next(w for w in toys.CONTENT if len(w) >= 6)
    plain = toys.ours(build("textbugger", threshold=-1.0), toys.Toy(bias=99.0), word, 1)[1]
    capped = toys.ours(build("textbugger", AnyText(3, Track.CONTRACT), threshold=-1.0), toys.Toy(bias=99.0), word, 1)[1]
    native = toys.ours(build("textbugger", AnyText(3, Track.NATIVE), threshold=-1.0), toys.Toy(bias=99.0), word, 1)[1]
    assert capped <= 1 + 1 + 3 < plain == native


# --- pruthi -------------------------------------------------------------------------------------------------------


def pruthi_parts(victim: Any) -> tuple[list[Any], Any, Any]:
    library = transformations()
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import MinWordLength
    from textattack.search_methods import GreedySearch

    inner = {"random_one": False, "skip_first_char": True, "skip_last_char": True}
    names = ("NeighboringCharacterSwap", "RandomCharacterDeletion", "RandomCharacterInsertion", "QWERTY")
    swap = library.CompositeTransformation([getattr(library, f"WordSwap{name}")(**inner) for name in names])
    return [MinWordLength(4), *rules(), MaxWordsPerturbed(max_num_words=2)], swap, GreedySearch()


def test_pruthi_as_in_the_recipe_equals_the_library() -> None:
    run = build("pruthi", exhaustive=False, first_hit=False, max_words=2)
    found = compare(run, pruthi_parts, TEXTS[:20], (0.0, 2.5))
    assert None in found
    assert sum(text is not None for text in found) > 10


def test_pruthi_tries_every_inner_letter() -> None:
    classifier = toys.Toy(bias=99.0)
    assert toys.ours(build("pruthi"), classifier, "film the cat", 1)[0] is None
    asked = {text.split()[0] for call in classifier.calls for text in call}
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert {f"f{a}ilm" for a in letters} | {f"fi{a}lm" for a in letters} | {f"fil{a}m" for a in letters} <= asked
    assert {"flim", "flm", "fim", "fulm", "fipm"} <= asked
    assert all(text.endswith(" the cat") for call in classifier.calls for text in call)  # stop word, short word
    assert all(word[0] == "f" and word[-1] == "m" for word in asked)


def test_pruthi_ends_at_a_hit_and_keeps_to_its_number_of_words() -> None:
    text = " ".join(toys.CONTENT[:6])
    label = toys.label_of(toys.Toy(), text)
    first = toys.ours(build("pruthi"), toys.Toy(), text, label)
    full = toys.ours(build("pruthi", first_hit=False), toys.Toy(), text, label)
    assert first[0] is not None
    assert first[1] < full[1]
    for found in (first[0], full[0]):
        assert sum(a != b for a, b in zip(text.split(), str(found).split(), strict=True)) == 1


# --- checklist ----------------------------------------------------------------------------------------------------


def checks() -> Any:
    import_textattack()
    from benchmark_plugins.attacks import invariance

    return invariance


def library_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives the library's classes the tags of the toy names."""
    import_textattack()
    from textattack.shared import AttackedText

    def tag(text: Any, index: int, model: str = "") -> Any:
        words = text.words
        kinds = ["PER" if w in PEOPLE else "LOC" if w in PLACES else "" for w in words]
        kind = kinds[index]
        starts = index == 0 or kinds[index - 1] != kind
        ends = index == len(words) - 1 or kinds[index + 1] != kind
        place = "S" if starts and ends else "B" if starts else "E" if ends else "I"
        return SimpleNamespace(value=f"{place}-{kind}" if kind else "O", score=1.0)

    monkeypatch.setattr(AttackedText, "ner_of_word_index", tag)


def checklist_parts(victim: Any) -> tuple[list[Any], Any, Any]:
    library = transformations()
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import GreedySearch

    names = ("Extend", "Contract", "ChangeName", "ChangeNumber", "ChangeLocation")
    swap = library.CompositeTransformation([getattr(library, f"WordSwap{name}")() for name in names])
    return [RepeatModification()], swap, GreedySearch()


def test_checklist_equals_the_library_where_that_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    library_tags(monkeypatch)
    made = [
        form.format(*words)
        for i in range(5)
        for words in [toys.CONTENT[6 * i : 6 * i + 6]]
        for form in (
            "{0} isn't {1} {2}",
            "Anna Kowalski {0} {1} 12 {2}",
            "{0} Dallas {1} 90 {2} Bob",
            "{0} {1} twenty {2} he's {3}",
            "{0} {1} {2}",
        )
    ]
    found = compare(build("checklist", max_steps=50), checklist_parts, made, (0.0, 0.7))
    assert None in found
    assert sum(text is not None for text in found) > 10


def test_contractions_anywhere_and_at_a_capital() -> None:
    ours, theirs = checks().Contract(), transformations().WordSwapContract()
    text = "he is here and it is not there"
    free = [1, 2, 3, 4, 5, 6, 7]  # the first word was edited before
    assert texts_of(theirs, text, free) == []
    assert texts_of(ours, text, free) == ["he is here and it's not there", "he is here and it isn't there"]
    assert texts_of(ours, text, [4, 6]) == []
    assert texts_of(theirs, "He is here") == []
    assert texts_of(ours, "He is here") == ["He's here"]
    assert texts_of(ours, "so I am in") == texts_of(theirs, "so I am in") == ["so I'm in"]


def test_extensions_at_a_capital() -> None:
    assert texts_of(transformations().WordSwapExtend(), "Isn't it") == []
    assert texts_of(checks().Extend(), "Isn't it, I'm sure") == ["Is not it, I'm sure", "Isn't it, I am sure"]


def test_number_words_are_whole_words() -> None:
    theirs = transformations().WordSwapChangeNumber()
    words = ["one", "phone", "and", "twenty-one", "men", "for", "one", "hundred", "and", "five", "and"]
    assert checks().written_numbers(words, range(len(words))) == [(0,), (3,), (6, 7, 8, 9)]
    assert checks().written_numbers(words, [0, 1, 2, 3, 6, 8, 9]) == [(0,), (3,), (6,), (9,)]
    np.random.seed(0)
    ours = texts_of(checks().ChangeNumber(1.0, 20), "one phone")
    assert ours
    assert all(text.split()[1] == "phone" for text in ours)
    np.random.seed(0)
    assert any("phone" not in text for text in texts_of(theirs, "one phone"))


def test_a_number_of_several_words_goes_as_a_whole() -> None:
    library = transformations()
    from num2words import num2words

    np.random.seed(1)
    drawn = np.random.randint(1, 105 + 106, 30)
    expected = [f"men and {num2words(int(n))} dogs" for n in drawn]
    made = {}
    for name, kind in (("ours", checks().ChangeNumber(1.0, 30)), ("theirs", library.WordSwapChangeNumber(1, 30))):
        np.random.seed(1)
        made[name] = texts_of(kind, "men and one hundred and five dogs")
    assert made["ours"] == expected
    # The library deletes words by their old places, and those of the new number are there by then.
    assert set(made["theirs"]) - set(expected) or len(set(made["theirs"])) < len(set(expected))


@pytest.mark.parametrize("number", ["12345678901234567890", "2²", "², ³"])
def test_numbers_that_stop_the_library(number: str) -> None:
    with pytest.raises(ValueError, match=r"high|low|float|range|bound"):
        texts_of(transformations().WordSwapChangeNumber(), f"it costs {number}")
    texts_of(checks().ChangeNumber(1.0, 3), f"it costs {number}")


def test_numbers_stay_within_their_change() -> None:
    np.random.seed(0)
    drawn = {int(text.split()[1]) for text in texts_of(checks().ChangeNumber(0.5, 400), "it 10 was")}
    assert min(drawn) == 4
    assert max(drawn) == 15
    for left in ("0", "2", "4", "two"):
        assert texts_of(checks().ChangeNumber(1.0, 3), f"it {left} was") == []


def test_entities_are_read_by_position() -> None:
    found = SpacyEntities(Names())
    words = ["Acme", "sent", "Anna", "Kowalski", "from", "Dallas", "to", "York"]
    assert found.find(words) == [Entity(2, 4, True), Entity(5, 6, False), Entity(7, 8, False)]
    assert found.find([]) == []


def test_names_and_places_change_within_their_lists() -> None:
    import_textattack()
    from textattack.shared.data import NAMED_ENTITIES, PERSON_NAMES

    entities = SpacyEntities(Names())
    np.random.seed(0)
    made = [t.split() for t in texts_of(checks().ChangeName(entities, 4), "Anna Kowalski met Bob in Dallas")]
    assert len(made) == 12
    assert {words[0] for words in made[:4]} <= set(PERSON_NAMES["first"])
    assert all(" ".join(words[1:]) == "Kowalski met Bob in Dallas" for words in made[:4])
    assert {words[1] for words in made[4:8]} <= set(PERSON_NAMES["last"])
    places = texts_of(checks().ChangeLocation(entities, 4), "Anna left France, not Dallas")
    assert len(places) == 8
    assert {text[len("Anna left ") : -len(", not Dallas")] for text in places[:4]} <= set(NAMED_ENTITIES["country"])
    assert {text.removeprefix("Anna left France, not ") for text in places[4:]} <= set(NAMED_ENTITIES["city"])
    assert texts_of(checks().ChangeLocation(entities, 4), "Anna left Dallas", [0, 1]) == []


@pytest.mark.slow
def test_the_catalogues_recogniser_finds_persons_and_places(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark import open_resources
    from benchmark.errors import AssetMissing

    monkeypatch.undo()
    try:
        found = SpacyEntities.load(open_resources())
    except AssetMissing:
        pytest.skip("the pipeline is not in the cache")
    words = ["Last", "year", "John", "Smith", "moved", "from", "London", "to", "New", "York", "with", "his", "dog"]
    assert found.find(words) == [Entity(2, 4, True), Entity(6, 7, False), Entity(8, 10, False)]


# --- bad characters -----------------------------------------------------------------------------------------------


def edit(kind: str, text: str) -> Any:
    return imperceptible.edit_of(kind, text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "theirs"),
    [
        ("invisible", "WordSwapInvisibleCharacters"),
        ("deletions", "WordSwapDeletions"),
        ("reorderings", "WordSwapReorderings"),
        ("homoglyph", "WordSwapHomoglyphSwap"),
    ],
)
def test_edits_equal_the_librarys_but_for_the_vector_that_means_no_edit(kind: str, theirs: str) -> None:
    text = "Some text, of words."
    mine = edit(kind, text)
    if kind == "homoglyph":
        library, precomputed = library_homoglyphs(), [mine._pairs]
    else:
        library, precomputed = getattr(transformations(), theirs)(), None
    bounds = mine.bounds
    assert [tuple(map(float, pair)) for pair in library._get_bounds(attacked(text), 1, precomputed)] == list(bounds)
    rng = np.random.default_rng(5)
    low, high = np.array(bounds * 3, dtype=float).T
    for _ in range(50):
        genes = rng.uniform(np.maximum(low, 0), high)
        expected = library.apply_perturbation(attacked(text), list(genes), precomputed).text
        assert mine.apply(list(genes)) == expected != text
    nothing = [value if value > 0 else -0.9 for value in low]
    if kind == "invisible":
        nothing = [0.0, -0.9] * 3
    assert mine.apply(nothing) == text
    assert library.apply_perturbation(attacked(text), list(nothing), precomputed).text != text


def test_edits_by_hand() -> None:
    assert edit("invisible", "ab").apply([1, 1, 2, -1]) == "a\u200cb"
    assert (
        edit("deletions", "ab").apply([1, ord("x"), -1, ord("y"), 0, ord("z")]) == "axz\b\bb"
    )  # the second behind the first
    assert edit("homoglyph", "Pat").apply([1, -1, 2]) == "\u0420\u0430t"
    swapped = edit("reorderings", "abc").apply([1])
    controls = set("\u202d\u202e\u202c\u2066\u2069")
    assert "".join(c for c in swapped if c not in controls) == "acb"
    assert swapped.count("\u2066") == swapped.count("\u2069") == 3
    for kind, empty in (("homoglyph", "!?"), ("invisible", ""), ("deletions", ""), ("reorderings", "a")):
        assert edit(kind, empty).bounds == ()


class Letters:
    """Class 1 while ``allowed`` or fewer characters are missing from a text's ASCII letters; flat if so told."""

    forwards_per_prediction = 1

    def __init__(self, need: int, total: int, flat: bool = False) -> None:
        self.need, self.total, self.flat = need, total, flat
        self.calls: list[list[str]] = []

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        missing = [self.total - sum(c.isascii() and c.isalpha() for c in text) for text in texts]
        scores = [0.5 if self.flat else self.need - 0.5 - count for count in missing]
        return np.array([(-s, s) for s in scores], dtype=np.float32).reshape(-1, 2)


def test_evolution_finds_several_edits_asks_in_generations_and_ends_at_the_success() -> None:
    text = "good people of the opera"
    classifier = Letters(4, 20)
    found, queries = toys.ours(build("bad-characters"), classifier, text, 1)
    assert found is not None
    assert sum(a != b for a, b in zip(text, found, strict=True)) in (4, 5)
    assert 2 <= len(classifier.calls) <= 1 + 4
    assert queries == sum(map(len, classifier.calls)) == len({t for call in classifier.calls for t in call})
    last = classifier.calls[-1]
    assert found == min(last, key=lambda t: sum(c.isascii() and c.isalpha() for c in t))
    assert toys.ours(build("bad-characters", perturbations=3), Letters(4, 20), text, 1)[0] is None


def test_evolution_goes_on_over_a_flat_surface_where_the_library_gives_up() -> None:
    import_textattack()
    from textattack.search_methods import DifferentialEvolution

    text = "a text with a good many letters to choose from"
    search = DifferentialEvolution(popsize=32, maxiter=3, max_perturbs=1)
    theirs = Letters(0, 0, flat=True)
    _, queries = toys.library(lambda victim: ([], transformations().WordSwapReorderings(), search), theirs, text, 1)
    assert queries < 1 + 3 * 32
    assert {len(call) for call in theirs.calls} == {1}
    mine = Letters(0, 0, flat=True)
    assert toys.ours(build("bad-characters-reorderings", perturbations=2), mine, text, 1)[0] is None
    assert len(mine.calls) == 1 + 1 + 3


def test_the_librarys_evolution_stops_with_an_error_at_a_budget() -> None:
    from textattack.search_methods import DifferentialEvolution

    search = DifferentialEvolution(popsize=32, maxiter=3)
    swap = transformations().WordSwapReorderings()
    with pytest.raises(IndexError):
        toys.library(lambda victim: ([], swap, search), Letters(9, 12), "some more text", 1, query_budget=5)


def test_evolution_considers_what_the_contract_admits_only() -> None:
    text = "good people of the opera"
    kept = AnyText(allow=lambda old, new: new.startswith("good people"))
    classifier = Letters(4, 20)
    assert toys.ours(build("bad-characters", kept, perturbations=2), classifier, text, 1)[0] is None
    assert all(asked.startswith("good people") for call in classifier.calls for asked in call)
    assert max(len(call) for call in classifier.calls) > 5
    assert toys.ours(build("bad-characters", kept, perturbations=4), Letters(4, 20), text, 1)[0] is not None
