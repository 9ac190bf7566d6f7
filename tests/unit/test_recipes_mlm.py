"""BERT-Attack, CLARE and the masked variant of A2T: against the library's own classes, and where these are mended."""

from __future__ import annotations

import random
from itertools import islice, product
from types import SimpleNamespace
from typing import Any

import pytest
import recipe_toys as toys

from benchmark import AttackState, BudgetExhausted, Example
from benchmark_plugins.attacks.spans import tokens_of_words, word_spans
from benchmark_plugins.attacks.stopwords import stop_words
from benchmark_plugins.attacks.textattack_env import import_textattack

TEXTS = toys.sentences(24)


def build(module: Any, monkeypatch: pytest.MonkeyPatch, contract: Any = None, **options: Any) -> tuple[Any, Any]:
    """A run over toys, and its masked LM."""
    attack = module.ATTACK
    resources, model = toys.fake(monkeypatch, module)
    return attack.build(attack.options(**options), resources, contract or toys.AnyText(), None), model


def attacked(text: str) -> Any:
    import_textattack()
    from textattack.shared import AttackedText

    return AttackedText(text)


def filled(model: Any) -> Any:
    import_textattack()
    from benchmark_plugins.attacks.transformations import filler

    return filler(model)


# --- words and tokens ---------------------------------------------------------------------------------------------


def test_words_and_their_tokens_are_paired_by_character() -> None:
    spans = word_spans("no, no gone", ["no", "no", "lost", "gone"])
    assert spans == [(0, 2), (4, 6), (6, 6), (7, 11)]
    assert tokens_of_words(spans, [(0, 2), (2, 3), (4, 5), (5, 6), (7, 9), (9, 9), (9, 11)]) == [
        [0],
        [2, 3],
        [],
        [4, 6],
    ]
    assert tokens_of_words([(0, 4), (4, 6)], [(0, 6)]) == [[0], [0]]
    assert tokens_of_words([], [(0, 1)]) == []


# --- BERT-Attack --------------------------------------------------------------------------------------------------


def piece_swap(model: Any, **rule: int) -> Any:
    source = filled(model)
    from benchmark_plugins.attacks.pieces import PieceRule, PieceSwap

    return PieceSwap(source, stop_words(), PieceRule(**rule), 1000)


def test_bert_attack_says_what_it_is() -> None:
    from benchmark_plugins.attacks.recipes.bert_attack import ATTACK

    assert (ATTACK.display, ATTACK.state) == ("bert-attack+fix[minilm-mlm,muse]", AttackState.FIXED)
    options = ATTACK.options()
    assert (options.single, options.pieces, options.each, options.combinations) == (48, 12, 4, 24)


def test_a_word_of_one_piece_gets_the_best_whole_pieces_at_its_unmasked_place() -> None:
    import torch

    model = toys.tiny_random.load(None)  # two layers: the place and the neighbours matter
    swap = piece_swap(model, single=30)
    text = "the Movie was unplot, great acting"
    tokens = model.tokenizer(text)
    place = model.tokenizer.convert_ids_to_tokens(tokens["input_ids"]).index("movie")
    with torch.inference_mode():
        logits = model.network(**model.tokenizer(text, return_tensors="pt")).logits[0, place]
    best = model.tokenizer.convert_ids_to_tokens(logits.topk(30).indices.tolist())
    expected = [w for w in best if w.isalnum() and w not in stop_words() and w != "movie"]
    found = swap.substitutes(attacked(text), [1])[1]
    assert found == expected
    assert 0 < len(found) < 30


def pieces_by_hand(model: Any, text: str, word: str, each: int, count: int) -> list[tuple[str, float]]:
    """Combinations of the best pieces in order of making, each with the model's loss on these pieces alone."""
    import torch

    tokens = model.tokenizer.convert_ids_to_tokens(model.tokenizer(text)["input_ids"])
    own = model.tokenizer.tokenize(word)
    start = tokens.index(own[0])
    with torch.inference_mode():
        logits = model.network(**model.tokenizer(text, return_tensors="pt")).logits[0]
        best = [logits[start + k].topk(each).indices.tolist() for k in range(len(own))]
        made = []
        for ids in islice(product(*best), count):
            scores = model.network(input_ids=torch.tensor([ids])).logits[0].log_softmax(dim=-1)
            loss = -sum(float(scores[k, i]) for k, i in enumerate(ids)) / len(ids)
            made.append((" ".join(model.tokenizer.convert_ids_to_tokens(list(ids))).replace(" ##", ""), loss))
    return made


def splitting(model: Any) -> Any:
    """A masked LM that proposes continuation pieces for continuation pieces, as a trained one does."""
    import torch

    vocabulary = model.tokenizer.get_vocab()
    ending = torch.tensor([token.startswith("##") for token, _ in sorted(vocabulary.items(), key=lambda t: t[1])])
    inner = model.network.forward

    def forward(**batch: Any) -> Any:
        out = inner(**batch)
        continues = ending[batch["input_ids"]]
        out.logits = out.logits + 50.0 * (continues[..., None] == ending)
        return out

    model.network.forward = forward
    return model


def test_combinations_of_pieces_come_by_rising_loss_and_the_library_keeps_their_order_of_making() -> None:
    model = splitting(toys.tiny_random.load(None))
    text, word = "great filming story", "filming"
    assert model.tokenizer.tokenize(word) == ["film", "##ing"]
    by_hand = pieces_by_hand(model, text, word, each=4, count=24)
    assert len(by_hand) == 16
    kept = [(w, loss) for w, loss in by_hand if w.isalnum() and w not in stop_words() and w != word]
    expected = list(dict.fromkeys(w for w, _ in sorted(kept, key=lambda item: item[1])))
    assert piece_swap(model).substitutes(attacked(text), [1])[1] == expected
    assert len(expected) > 3
    # The library enumerates the same product, sorts it into a list that it drops, and keeps the order of making.
    from textattack.transformations import WordSwapMaskedLM

    swap = WordSwapMaskedLM("bert-attack", model.network, model.tokenizer, max_length=16, max_candidates=4)
    library = [t.words[1] for t in swap._get_transformations(attacked(text), [1])]
    made = [w for w, _ in by_hand if w.isalnum()]
    assert library == made[:4]
    losses = dict(by_hand)
    assert [losses[w] for w in library] != sorted(losses[w] for w in library)


def test_long_words_stay_cheap() -> None:
    model = splitting(toys.tiny_random.load(None))
    asked: list[tuple[int, ...]] = []
    inner = model.network.forward

    def forward(**batch: Any) -> Any:
        asked.append(tuple(batch["input_ids"].shape))
        return inner(**batch)

    model.network.forward = forward
    piece_swap(model).substitutes(attacked("great xqzwvkjxqzwvkjxqzwvkj story"), [1])
    assert asked[1:] == [(24, 12)]  # 12 pieces of 21, 24 of 4**12 combinations


def test_the_original_text_is_read_once() -> None:
    model = toys.masked_lm()
    asked: list[int] = []
    inner = model.network.forward
    model.network.forward = lambda **batch: asked.append(1) or inner(**batch)
    swap = piece_swap(model)
    text = attacked("great film story")
    first = swap._get_transformations(text, [1])
    again = swap._get_transformations(first[0], [2])
    assert len(asked) == 1
    assert [t.words[2] for t in again] == swap.substitutes(text, [2])[2]
    assert all(t.words[1] == first[0].words[1] for t in again)


def test_bert_attack_is_the_librarys_where_all_words_are_single_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark_plugins.attacks.recipes import bert_attack

    contract = toys.AnyText(allow=toys.plain_words)
    run, model = build(bert_attack, monkeypatch, contract)
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.search_methods import GreedyWordSwapWIR
    from textattack.transformations import WordSwapMaskedLM

    from benchmark_plugins.attacks.constraints import ContractConstraint, MuseSimilarity

    def parts(victim: Any) -> tuple[list[Any], Any, Any]:
        limits = [
            RepeatModification(),
            StopwordModification(stop_words()),
            MaxWordsPerturbed(max_percent=0.4),
            MuseSimilarity(toys.Encoder(), 0.2, "cosine", True, None, False),
            ContractConstraint(contract),
        ]
        swap = WordSwapMaskedLM("bert-attack", model.network, model.tokenizer, max_length=16, max_candidates=48)
        return limits, swap, GreedyWordSwapWIR("unk", unk_token="[UNK]")

    toy = toys.Toy(bias=2.0)
    found = []
    for text in TEXTS:
        label = toys.label_of(toy, text)
        found.append(toys.ours(run, toy, text, label))
        assert found[-1] == toys.library(parts, toy, text, label), text
    assert 3 < sum(text is not None for text, _ in found) < len(TEXTS)
    assert sum(queries for _, queries in found) > 10 * len(TEXTS)


def test_the_antonym_filter_is_a_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark_plugins.attacks.recipes import bert_attack

    vectors = toys.table()
    cosines = dict(zip(vectors.words, vectors.vectors, strict=True))
    text, found = TEXTS[0], {}
    for least in (0.0, 0.4):
        toy = toys.Toy(bias=9.0)  # never flips
        toys.ours(build(bert_attack, monkeypatch, min_cos_sim=least)[0], toy, text, 1)
        swapped = [(o, n) for call in toy.calls[2:] for t in call for o, n in zip(text.split(), t.split(), strict=True)]
        pairs = {(o, n) for o, n in swapped if o != n and n in cosines and o in cosines}
        found[least] = {float(cosines[o] @ cosines[n]) >= 0.4 for o, n in pairs}
    assert found == {0.0: {True, False}, 0.4: {True}}


# --- CLARE --------------------------------------------------------------------------------------------------------


def clare_actions(model: Any) -> tuple[Any, Any]:
    source = filled(model)
    from benchmark_plugins.attacks.infill import MaskedInsertion, MaskedMerge

    return MaskedInsertion(source, 3, 0.0), MaskedMerge(source, toys.tagger(), 3, 0.0)


def mergeable(count: int) -> list[str]:
    """Words that may all be merged with their neighbours: nouns."""
    return [word for word in toys.CONTENT if toys.tag(word) == "NOUN"][:count]


def test_insertions_reach_the_first_word_where_the_library_has_none() -> None:
    model = toys.masked_lm()
    insertion, _ = clare_actions(model)
    text = attacked("great film, indeed!")
    found = [t.text for t in insertion._get_transformations(text, {0, 2})]
    assert len(found) == 6
    assert all(t.endswith(" great film, indeed!") for t in found[:3])
    assert all(t.startswith("great film, ") and t.endswith(" indeed!") for t in found[3:])
    from textattack.transformations import WordInsertionMaskedLM

    theirs = WordInsertionMaskedLM(model.network, model.tokenizer, max_length=16, max_candidates=3, min_confidence=0.0)
    assert theirs._get_transformations(text, [0]) == []
    assert theirs._get_transformations(text, [1]) != []


def test_merges_reach_both_ends_and_keep_to_the_words_that_may_be_modified(monkeypatch: pytest.MonkeyPatch) -> None:
    model = toys.masked_lm()
    _, merge = clare_actions(model)
    from textattack.shared import AttackedText
    from textattack.transformations import WordMergeMaskedLM

    monkeypatch.setattr(AttackedText, "pos_of_word_index", lambda self, i: toys.tag(self.words[i]))
    a, b, c, d = mergeable(4)
    text = attacked(f"{a} {b} {c} {d}")

    def merged(made: Any) -> set[str]:
        ends = {(f"{a} {b} ", ""): "last", ("", f" {c} {d}"): "first", (f"{a} ", f" {d}"): "middle"}
        return {
            n for t in made for (left, right), n in ends.items() if t.text.startswith(left) and t.text.endswith(right)
        }

    every = {0, 1, 2, 3}
    assert merged(merge._get_transformations(text, every)) == {"first", "middle", "last"}
    assert merged(merge._get_transformations(text, {0, 1, 3})) == {"first"}
    theirs = WordMergeMaskedLM(model.network, model.tokenizer, max_length=16, max_candidates=3, min_confidence=0.0)
    assert merged(theirs._get_transformations(text, every)) == {"middle"}
    assert merged(theirs._get_transformations(text, {0})) == {"middle"}  # neither word of it may be modified
    pair = attacked(f"{a} {b}\x1e {c} {d}")
    assert merge.places(pair, every) == [0, 2]


def test_merges_are_allowed_for_the_librarys_pairs_of_tags() -> None:
    import_textattack()
    from textattack.transformations.word_merges.word_merge_masked_lm import find_merge_index

    from benchmark_plugins.attacks.infill import MERGES

    tags = ("NOUN", "ADJ", "ADV", "VERB", "DET", "PRON", "NUM", "ADP", "CONJ", "PRT", ".", "X")
    for pair in product(tags, repeat=2):
        assert (pair[1] in MERGES.get(pair[0], ())) == (find_merge_index(list(pair)) == [0]), pair


def test_one_step_of_clare_is_the_librarys_between_the_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark_plugins.attacks.recipes import clare

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.search_methods import GreedySearch
    from textattack.shared import AttackedText
    from textattack.transformations import (
        CompositeTransformation,
        WordInsertionMaskedLM,
        WordMergeMaskedLM,
        WordSwapMaskedLM,
    )

    from benchmark_plugins.attacks.constraints import ContractConstraint, MuseSimilarity

    monkeypatch.setattr(AttackedText, "pos_of_word_index", lambda self, i: toys.tag(self.words[i]))

    def inner(old: str, new: str) -> bool:
        """Edits that the library's faults do not touch: the first and the last word stay."""
        before, after = old.split(), new.split()
        return toys.plain_words(old, new) and (before[0], before[-1]) == (after[0], after[-1])

    def parts(victim: Any) -> tuple[list[Any], Any, Any]:
        limits = [
            RepeatModification(),
            StopwordModification(stop_words()),
            MuseSimilarity(toys.Encoder(), 0.7, "cosine", True, 15, True),
            ContractConstraint(toys.AnyText(allow=inner, once=True)),
        ]
        given: dict[str, Any] = {"masked_language_model": model.network, "tokenizer": model.tokenizer}
        given |= {"max_length": 16, "max_candidates": 1000, "min_confidence": 0.005}
        actions = [
            WordSwapMaskedLM(method="bae", **given), WordInsertionMaskedLM(**given), WordMergeMaskedLM(**given),
        ]  # fmt: skip
        return limits, CompositeTransformation(actions), GreedySearch()

    toy, found, kinds = toys.Toy(), [], set()
    confidences = {"replace_confidence": 0.005, "insert_confidence": 0.005, "merge_confidence": 0.005}
    for text in TEXTS:
        run, model = build(clare, monkeypatch, toys.AnyText(allow=inner, once=True), candidates=1000, **confidences)
        label = toys.label_of(toy, text)
        found.append(toys.ours(run, toy, text, label))
        assert found[-1] == toys.library(parts, toy, text, label), text
        kinds |= {len(t.split()) - len(text.split()) for call in toy.calls for t in call if call and t != text} & {
            -1,
            0,
            1,
        }
        toy.calls.clear()
    assert kinds == {-1, 0, 1}
    assert 3 < sum(text is not None for text, _ in found) < len(TEXTS)


def test_clare_takes_no_more_steps_than_it_may_and_edits_no_late_word(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark_plugins.attacks.recipes import clare

    text = " ".join(mergeable(6))
    for steps, first in ((1, 2), (3, 128)):
        toy = toys.Toy(bias=99.0)
        run, _ = build(clare, monkeypatch, max_steps=steps, max_words=first, candidates=5)
        assert toys.ours(run, toy, text, 1)[0] is None
        assert len(toy.calls) == 1 + steps
        if steps == 1:
            assert all(t.split()[-4:] == text.split()[-4:] for t in toy.calls[1])
    assert clare.ATTACK.state == AttackState.VARIANT
    assert clare.ClareOptions().max_steps == 5


# --- all of them --------------------------------------------------------------------------------------------------


ODD = [
    "film",
    "...",
    "film " * 300,
    "\U0001f600 film",
    "\u05e1\u05e8\u05d8 film",
    "a\x00b film",
    "[MASK] film [SEP]",
    "the of",
]


@pytest.mark.parametrize("name", ["bert_attack", "clare"])
def test_budgets_and_odd_texts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import import_module

    module = import_module(f"benchmark_plugins.attacks.recipes.{name}")
    run, _ = build(module, monkeypatch, toys.AnyText(candidates=4))
    for budget in (1, 2, 10):
        victim = toys.counter(toys.Toy(bias=99.0), budget)
        with pytest.raises(BudgetExhausted):
            run.attack(victim, Example("x", TEXTS[3], 1), 0)
        assert victim.queries <= budget
    for text in ODD:
        victim = toys.counter(toys.Toy(bias=99.0), 400)
        try:
            assert run.attack(victim, Example("x", text, 1), 0) is None
        except BudgetExhausted:
            assert victim.queries <= 400


def test_options_are_described_and_a_wrong_model_is_refused() -> None:
    from benchmark import NotApplicable
    from benchmark_plugins.attacks.recipes import bert_attack, clare

    for attack in (bert_attack.ATTACK, clare.ATTACK):
        assert all(field.description for field in attack.options.model_fields.values())
    tokenizer = SimpleNamespace(get_vocab=lambda: {"film": 0}, all_special_ids=[])
    with pytest.raises(NotApplicable):
        filled(SimpleNamespace(network=toys.masked_lm().network, tokenizer=tokenizer))


def test_what_fills_a_mask_does_not_depend_on_the_other_texts() -> None:
    """To the last bit, for texts of all lengths, a mask alone and texts that are cut before their mask."""
    import torch

    from benchmark_plugins.attacks.transformations import filler, mask_probabilities
    from benchmark_plugins.models import tiny_random

    source = filler(tiny_random.load(None))  # type: ignore[arg-type]
    mask, longest = source.tokenizer.mask_token, source.network.config.max_position_embeddings
    rng = random.Random(0)
    texts, earlier = [mask, f"a {mask} {mask}", "a " * longest + mask], [0, 1, 0]
    for _ in range(90):
        words = rng.choices(toys.CONTENT, k=rng.randint(1, 12))
        texts.append(" ".join([*words, mask, *rng.choices(toys.CONTENT, k=rng.randint(0, 6))]))
        earlier.append(0)
    alone = [next(iter(mask_probabilities(source, [text], [n]))) for text, n in zip(texts, earlier, strict=True)]
    assert alone[2] is None
    for size in (2, 3, 5, 93):
        chosen = rng.sample(range(len(texts)), k=size)
        found = mask_probabilities(source, [texts[i] for i in chosen], [earlier[i] for i in chosen])
        for i, row in zip(chosen, found, strict=True):
            assert (row is None and alone[i] is None) or torch.equal(row, alone[i])
    # Against the whole network on one text, mask and head at their places.
    with torch.inference_mode():
        ids = source.tokenizer(texts[1], return_tensors="pt")
        whole = source.network(**ids).logits[0, -2].softmax(dim=0)[source.ids]
    torch.testing.assert_close(alone[1], whole)
