"""All heads on BERT-, RoBERTa- and GPT-2-shaped models: pooling, slots, text index, ways in, ablations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from fitting import fit_context
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark.api import COLUMN_SEPARATOR, Capability, Example, Head, MaskedLanguageModel, Row, Task
from benchmark.api import pad_rows as pad
from benchmark.errors import NotApplicable
from benchmark.fit.classifier import NetworkClassifier
from benchmark_plugins.defenses.heads import clsprompt, lpft, mlp, mvp, projectcls, scratch, templates, tokens
from benchmark_plugins.defenses.heads.verbalizers import label_words, random_words
from benchmark_plugins.models import tiny_causal, tiny_random

TASK = Task("toy", ("negative", "positive"), 32)
HEADS = (mlp.MLP, mvp.MVP, projectcls.PROJECTCLS, lpft.LPFT, clsprompt.CLSPROMPT, scratch.MLP_SCRATCH)
HEADS += (scratch.MVP_SCRATCH,)
APPENDED = "{text} it was [MASK]"
TEXTS = ("good", "a long and rather tedious story about nothing at all", "so [MASK] so", "a film\x1ea plot", "")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Matrices of 32 columns: more threads only wait for one another."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def load(kind: str) -> MaskedLanguageModel:
    """A tiny model of the shape of ``kind``: bert, roberta or gpt2."""
    import torch
    from transformers import RobertaConfig, RobertaForMaskedLM

    if kind == "gpt2":
        return tiny_causal.load(None)  # type: ignore[arg-type]
    base = tiny_random.load(None)  # type: ignore[arg-type]
    if kind == "bert":
        return base
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    config = RobertaConfig(
        vocab_size=len(base.tokenizer), pad_token_id=0, initializer_range=0.2, max_position_embeddings=80, **sizes
    )
    torch.manual_seed(5)
    return MaskedLanguageModel(RobertaForMaskedLM(config).eval(), base.tokenizer)


def build(head: Head, base: MaskedLanguageModel, task: Task = TASK, **options: Any) -> Any:
    """The head's network in eval mode; an appended template for mvp, which all models can use, unless given."""
    import torch

    torch.manual_seed(1)
    if head.options is mvp.MvpOptions and not options.keys() & {"template_texts", "template_kind"}:
        options["template_texts"] = (APPENDED,)
    return head.build(base, task, head.options(**options)).eval()


@cache
def built(kind: str, name: str, max_length: int, texts: tuple[str, ...] = ()) -> Any:
    head = next(head for head in HEADS if head.name == name)
    options = {"template_texts": texts} if texts else {}
    return build(head, load(kind), TASK._replace(max_length=max_length), **options)


def rows_of(network: Any, texts: Any = TEXTS) -> list[Row]:
    return [row for text in texts for row in network.rows(text)]


def score(network: Any, rows: list[Row]) -> Any:
    import torch

    with torch.inference_mode():
        return network(pad(rows, network.pad_id))


def shown(base: MaskedLanguageModel, row: Row) -> str:
    return " ".join(base.tokenizer.convert_ids_to_tokens(list(row.ids)))


def lm_logits(base: MaskedLanguageModel, row: Row, place: int) -> Any:
    """Logits over the vocabulary at a place of the row, by transformers' own forward."""
    import torch

    given = {"token_type_ids": torch.tensor([list(row.segments)])} if base.network.config.model_type == "bert" else {}
    with torch.inference_mode():
        return base.network(input_ids=torch.tensor([list(row.ids)]), **given).logits[0, place]


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)
def test_word_embeddings_instead_of_ids_change_nothing(kind: str, head: Head) -> None:
    import torch

    network = build(head, load(kind))
    batch = pad(rows_of(network), network.pad_id)
    assert (batch.attention == 0).any()
    with torch.inference_mode():
        by_ids, by_embeddings = network(batch), network(batch, network.embed(batch.ids))
        other = network(batch, network.embed(batch.ids).flip(-1))
    assert torch.allclose(by_ids, by_embeddings, atol=1e-5)
    assert not torch.allclose(by_ids, other, atol=1e-3)


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)
def test_a_row_does_not_depend_on_padding(kind: str, head: Head) -> None:
    import torch

    network = build(head, load(kind))
    rows = rows_of(network)
    alone = torch.cat([score(network, [row]) for row in rows])
    assert torch.allclose(score(network, rows), alone, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)
def test_states_layers_and_scores_are_the_forward_pass(kind: str, head: Head) -> None:
    import torch

    network = build(head, load(kind))
    batch = pad(rows_of(network), network.pad_id)
    with torch.inference_mode():
        whole = network(batch)
        for cut in (0, 1, 2):
            states = network.layers(network.states(batch), batch.attention, 0, cut)
            states = network.layers(states, batch.attention, cut, network.num_layers)
            assert torch.allclose(network.scores(states, batch), whole, atol=1e-5)
        entered = network.states(batch, network.embed(batch.ids))
        assert torch.allclose(entered[batch.attention == 1], network.states(batch)[batch.attention == 1], atol=1e-6)
        one_layer = network.layers(network.states(batch), batch.attention, 0, 1)
        assert not torch.allclose(network.scores(one_layer, batch), whole, atol=1e-3)


def test_the_layers_of_a_causal_model_are_refused_and_not_offered() -> None:
    network = build(mlp.MLP, load("gpt2"))
    batch = pad(rows_of(network), network.pad_id)
    with pytest.raises(NotApplicable, match="layers of GPT2Model cannot be run one by one"):
        network.states(batch)
    assert Capability.HIDDEN_STATES not in tiny_causal.MODEL.offers
    assert Capability.HIDDEN_STATES in tiny_random.MODEL.offers


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)
def test_a_gradient_reaches_the_word_embeddings_and_every_head_says_so(head: Head) -> None:
    network = build(head, load("bert"))
    batch = pad(rows_of(network), network.pad_id)
    embeddings = network.embed(batch.ids)
    embeddings.retain_grad()
    network(batch, embeddings)[:, 1].sum().backward()
    # A padded position has no gradient; all others have one.
    assert ((embeddings.grad.abs().sum(-1) > 0) == (batch.attention == 1)).all()
    assert network.body.get_input_embeddings().weight.grad is not None
    assert head.offers == {Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES}
    assert head.about
    assert head.paper


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("words", [("bad",), ("bad", "dull", "boring")], ids=["one word", "three words"])
def test_mvp_takes_the_maximum_over_words_and_the_mean_over_templates(kind: str, words: tuple[str, ...]) -> None:
    base = load(kind)
    verbalizer = {"negative": words, "positive": ("good", "great")}
    texts = ("{text} it was [MASK] .", "a [MASK] movie : {text}", "so [MASK] : {text}")
    network = build(mvp.MVP, base, template_texts=texts, verbalizer=verbalizer)
    rows = network.rows("the plot is thin")
    expected = np.zeros(2)
    for row in rows:
        assert base.tokenizer.convert_ids_to_tokens(row.ids[row.slot]) == "[MASK]"
        logits = lm_logits(base, row, row.slot)
        for label, name in enumerate(TASK.label_names):
            ids = base.tokenizer.convert_tokens_to_ids(list(verbalizer[name]))
            expected[label] += max(float(logits[i]) for i in ids) / len(texts)
    found = NetworkClassifier(network).logits(["the plot is thin"])[0]
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    assert NetworkClassifier(network).forwards_per_prediction == 3


@pytest.mark.parametrize("template", ["{text} it was [MASK] .", "{first} so [MASK] {second}"])
def test_a_pair_is_scored_with_its_segments(template: str) -> None:
    base = load("bert")
    network = build(mvp.MVP, base, template_texts=(template,), verbalizer_kind="single")
    (row,) = network.rows("a film\x1ea plot")
    ids = base.tokenizer.convert_tokens_to_ids(["bad", "good"])
    expected = lm_logits(base, row, row.slot)[ids].tolist()
    assert score(network, [row])[0].tolist() == pytest.approx(expected, abs=1e-5)
    swapped = row._replace(segments=[1 - segment for segment in row.segments])
    assert score(network, [swapped])[0].tolist() != pytest.approx(expected, abs=1e-3)


def test_a_causal_model_is_read_one_position_before_the_mask() -> None:
    base = load("gpt2")
    network = build(mvp.MVP, base, verbalizer={"negative": ("bad", "dull"), "positive": ("good",)})
    (row,) = network.rows("the plot is bad")
    assert shown(base, row) == "the plot is bad it was [MASK]"
    assert row.slot == len(row.ids) - 2
    ids = base.tokenizer.convert_tokens_to_ids(["bad", "dull", "good"])
    bad, dull, good = lm_logits(base, row, row.slot)[ids].tolist()
    assert score(network, [row])[0].tolist() == pytest.approx([max(bad, dull), good], abs=1e-5)
    # What stands where the mask stands cannot matter.
    other = row._replace(ids=[*row.ids[:-1], base.tokenizer.convert_tokens_to_ids("z")])
    found, with_other, earlier = (
        score(network, [each])[0].tolist() for each in (row, other, row._replace(slot=row.slot - 1))
    )
    assert with_other == pytest.approx(found, abs=1e-6)
    assert earlier != pytest.approx(found, abs=1e-3)


@pytest.mark.parametrize("text", ["[MASK] : {text}", "{text} it was [MASK] .", "{second} [MASK] {first}"])
def test_a_causal_model_refuses_a_template_that_does_not_end_with_the_mask(text: str) -> None:
    import re

    with pytest.raises(NotApplicable, match=re.escape(f"'{text}' does not end with [MASK]")):
        build(mvp.MVP, load("gpt2"), template_texts=(APPENDED, text))
    assert build(mvp.MVP, load("gpt2"), templates=1, template_texts=(APPENDED, text)).rows("good")


def test_an_empty_text_of_a_causal_model_has_a_token_to_predict_from() -> None:
    base = load("gpt2")
    network = build(mvp.MVP, base, template_kind="empty")
    (row,) = network.rows("")
    assert (shown(base, row), row.slot, list(row.text)) == ("[SEP] [MASK]", 0, [-1, -1])
    (row,) = network.rows("good film")
    assert (shown(base, row), row.slot, list(row.text)) == ("good film [MASK]", 1, [0, 1, -1])
    (row,) = build(mlp.MLP, base).rows("")
    assert (shown(base, row), row.slot, list(row.text)) == ("[SEP]", 0, [-1])
    (row,) = build(mlp.MLP, base).rows("good film")
    assert (shown(base, row), row.slot, list(row.text)) == ("good film", 1, [0, 1])


def test_an_unknown_token_that_separates_texts_cannot_be_forged() -> None:
    base = load("gpt2")
    base.tokenizer.unk_token = "[SEP]"  # as in GPT-2, where one token is unknown, begin and end of text
    ids = tokens.TextTokenizer(base.tokenizer)("a [SEP] b [MASK]")
    assert base.tokenizer.convert_ids_to_tokens(ids) == ["a", "[MASK]", "b", "[MASK]"]


@pytest.mark.parametrize(
    ("template", "text", "max_length", "expected", "index", "segments"),
    [
        ("{text} so [MASK]", "a b c", 9, "[CLS] a b c so [MASK] [SEP]", "-012---", "0000000"),
        ("so [MASK] {text}", "a b c", 9, "[CLS] so [MASK] a b c [SEP]", "---012-", "0000000"),
        ("{text} so [MASK]", "a b c", 6, "[CLS] a b so [MASK] [SEP]", "-01---", "000000"),
        ("so [MASK] {text}", "a b c", 6, "[CLS] so [MASK] a b [SEP]", "---01-", "000000"),
        ("so {text} [MASK]", "a b c", 6, "[CLS] so a b [MASK] [SEP]", "--01--", "000000"),
        ("{text} [MASK]", "a b\x1ec d", 9, "[CLS] a b [SEP] c d [MASK] [SEP]", "-01-23--", "00001111"),
        ("[MASK] {text}", "a b\x1ec d", 9, "[CLS] [MASK] a b [SEP] c d [SEP]", "--01-23-", "00000111"),
        ("{text} [MASK]", "a b c e\x1ec d", 7, "[CLS] a [SEP] c d [MASK] [SEP]", "-0-45--", "0001111"),
        ("{first} so [MASK] {second}", "a b\x1ec d", 9, "[CLS] a b so [MASK] c d [SEP]", "-01--23-", "00000000"),
        ("{second} so [MASK] {first}", "a b\x1ec d", 9, "[CLS] c d so [MASK] a b [SEP]", "-23--01-", "00000000"),
        ("{first} so [MASK] {second}", "a b c e\x1ec d", 7, "[CLS] a so [MASK] c d [SEP]", "-0--45-", "0000000"),
        ("{first} so [MASK] {second}", "a b", 9, "[CLS] a b so [MASK] [SEP]", "-01---", "000000"),
        ("{first} [MASK] {second}", "a\x1eb\x1ec", 9, "[CLS] a [MASK] b c [SEP]", "-0-12-", "000000"),
    ],
)
def test_rows_say_which_token_of_the_text_stands_where(
    template: str, text: str, max_length: int, expected: str, index: str, segments: str
) -> None:
    base = load("bert")
    (row,) = build(mvp.MVP, base, TASK._replace(max_length=max_length), template_texts=(template,)).rows(text)
    assert shown(base, row) == expected
    assert "".join("-" if i < 0 else str(i) for i in row.text) == index
    assert "".join(map(str, row.segments)) == segments
    assert expected.split()[row.slot] == "[MASK]"


def test_a_pair_is_joined_as_the_models_tokenizer_joins_it() -> None:
    from tokenizers.processors import RobertaProcessing

    base = load("bert")
    encoded = base.tokenizer("a b", "c d")
    (row,) = build(mlp.MLP, base).rows("a b\x1ec d")
    assert list(row.ids) == encoded["input_ids"]
    assert list(row.segments) == encoded["token_type_ids"] if "token_type_ids" in encoded else [0] * 4 + [1] * 3
    ids = base.tokenizer.convert_tokens_to_ids
    base.tokenizer.backend_tokenizer.post_processor = RobertaProcessing(
        ("[SEP]", ids("[SEP]")), ("[CLS]", ids("[CLS]"))
    )
    roberta = tokens.Columns(base.tokenizer).row("a b\x1ec d", 32)
    assert list(roberta.ids) == base.tokenizer("a b", "c d")["input_ids"]
    assert shown(base, roberta) == "[CLS] a b [SEP] [SEP] c d [SEP]"
    causal = load("gpt2")
    (row,) = build(mlp.MLP, causal).rows("a b\x1ec d")
    assert (shown(causal, row), list(row.text)) == ("a b [SEP] c d", [0, 1, -1, 2, 3])


@given(lengths=st.lists(st.integers(0, 30), min_size=1, max_size=5), room=st.integers(-3, 60))
def test_the_longest_column_is_cut_token_by_token(lengths: list[int], room: int) -> None:
    expected = list(lengths)
    while sum(expected) > max(0, room):
        expected[expected.index(max(expected))] -= 1
    assert tokens.shortened(lengths, room) == expected


SPECIAL = st.sampled_from(["[MASK]", "[UNK]", "[SEP]", "[CLS]", "[PAD]", COLUMN_SEPARATOR, " ", "good film "])
ANY_TEXT = st.lists(st.one_of(SPECIAL, st.text(max_size=25)), max_size=12).map("".join)


@settings(max_examples=200, deadline=None)
@given(text=ANY_TEXT, max_length=st.sampled_from([8, 12, 24]), kind=st.sampled_from(["bert", "gpt2"]))
@example(text=COLUMN_SEPARATOR * 30, max_length=12, kind="bert")
@example(text=f"good film{COLUMN_SEPARATOR}" * 30, max_length=8, kind="gpt2")
def test_rows_are_never_too_long_and_their_index_is_right(text: str, max_length: int, kind: str) -> None:
    several = (APPENDED, "{first} [MASK] {second}", "a [MASK] : {text}", "{second} so {first} [MASK]")
    usable = several if kind == "bert" else tuple(t for t in several if t.endswith("[MASK]"))
    for network in (built(kind, "mvp", max_length, usable), built(kind, "mlp", max_length)):
        flat = [token for column in network.columns.ids(text) for token in column]
        for row in network.rows(text):
            assert 1 <= len(row.ids) <= max_length
            assert len(row.ids) == len(row.text) == len(row.segments)
            assert 0 <= row.slot < len(row.ids)
            placed = [(index, token) for index, token in zip(row.text, row.ids, strict=True) if index >= 0]
            assert len({index for index, _ in placed}) == len(placed)
            assert all(flat[index] == token for index, token in placed)
            assert set(row.segments) <= {0, 1}
            own = 1 if hasattr(network, "table") else 0
            template = [token for index, token in zip(row.text, row.ids, strict=True) if index < 0]
            assert template.count(network.columns.tokens("[MASK]")[0]) == own
            if own and kind == "bert":
                assert row.ids[row.slot] == network.columns.tokens("[MASK]")[0]
                assert row.text[row.slot] == -1


def test_random_templates_keep_the_places_and_change_every_word() -> None:
    base = load("bert")
    texts = ("{text} it was [MASK] .", "a [MASK] movie : {text}")
    plain = build(mvp.MVP, base, template_texts=texts).rows("good film")
    network = build(mvp.MVP, base, template_texts=texts, template_kind="random")
    rows = network.rows("good film")
    for row, before in zip(rows, plain, strict=True):
        assert (row.slot, list(row.text), len(row.ids)) == (before.slot, list(before.text), len(before.ids))
        changed = [place for place in range(len(row.ids)) if row.ids[place] != before.ids[place]]
        inner = range(1, len(row.ids) - 1)
        assert changed == [p for p in inner if row.text[p] < 0 and p != row.slot]
        words = [base.tokenizer.convert_ids_to_tokens(row.ids[place]) for place in changed]
        assert all(word.isalpha() and len(word) > 1 for word in words)
        assert len(set(words)) == len(words)
    again = build(mvp.MVP, base, template_texts=texts, template_kind="random")
    other = build(mvp.MVP, base, template_texts=texts, template_kind="random", seed=1)
    first_only = build(mvp.MVP, base, template_texts=texts, template_kind="random", templates=1)
    assert again.rows("good film") == rows
    assert other.rows("good film") != rows
    assert first_only.rows("good film") == rows[:1]


def test_empty_templates_are_the_mask_alone_on_either_side() -> None:
    base = load("bert")
    network = build(mvp.MVP, base, template_kind="empty")
    assert [shown(base, row) for row in network.rows("good film")] == [
        "[CLS] good film [MASK] [SEP]",
        "[CLS] [MASK] good film [SEP]",
    ]
    assert len(build(mvp.MVP, base, template_kind="empty", templates=1).rows("good film")) == 1
    assert len(build(mvp.MVP, load("gpt2"), template_kind="empty").rows("good film")) == 1


def test_a_random_verbalizer_is_distinct_unrelated_and_reproducible() -> None:
    tokenizer = load("bert").tokenizer
    task = Task("many", tuple(f"label{n}" for n in range(20)), 32)
    listed = templates.prompt_file("default").words
    draw = [label_words(tokenizer, task, listed, {}, "random", seed) for seed in (0, 0, 1)]
    assert draw[0] == draw[1] != draw[2]
    words = [tokenizer.convert_ids_to_tokens(ids) for ids in draw[0]]
    assert all(len(each) == 1 for each in words)
    flat = [word for each in words for word in each]
    assert len(set(flat)) == 20
    assert not set(flat) & {word for each in listed.values() for word in each}
    assert all(word.isalpha() and len(word) > 1 for word in flat)
    # It reaches the scores: the logits are those of the drawn words.
    base = load("bert")
    network = build(mvp.MVP, base, verbalizer_kind="random")
    (row,) = network.rows("the plot")
    ids = label_words(tokenizer, TASK, listed, {}, "random", 0)
    expected = [float(lm_logits(base, row, row.slot)[each[0]]) for each in ids]
    assert score(network, [row])[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_avoided_words_are_never_drawn() -> None:
    import random

    tokenizer = load("bert").tokenizer
    every = random_words(tokenizer, 250, random.Random(0))
    kept = random_words(tokenizer, 150, random.Random(0), set(every[:100]))
    assert not set(kept) & set(every[:100])
    assert set(kept) & set(every)


def test_too_small_a_vocabulary_for_random_words_is_refused() -> None:
    import random

    with pytest.raises(NotApplicable, match="9999 random ones are needed"):
        random_words(load("bert").tokenizer, 9999, random.Random(0))


def test_a_single_verbalizer_is_the_first_word_of_each_label() -> None:
    base = load("bert")
    verbalizer = {"negative": ("bad", "dull"), "positive": ("good", "great")}
    single = build(mvp.MVP, base, verbalizer=verbalizer, verbalizer_kind="single")
    (row,) = single.rows("the plot")
    ids = base.tokenizer.convert_tokens_to_ids(["bad", "good"])
    expected = lm_logits(base, row, row.slot)[ids].tolist()
    assert score(single, [row])[0].tolist() == pytest.approx(expected, abs=1e-5)
    # A word that two labels share may stand behind the first.
    shared = {"negative": ("bad", "film"), "positive": ("good", "film")}
    assert build(mvp.MVP, base, verbalizer=shared, verbalizer_kind="single").rows("good")


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
def test_clsprompt_scores_one_word_a_class_at_the_first_token(kind: str) -> None:
    base = load(kind)
    network = build(clsprompt.CLSPROMPT, base, verbalizer={"negative": ("bad", "dull"), "positive": ("good",)})
    (row,) = network.rows("the plot is thin")
    assert base.tokenizer.mask_token_id not in row.ids
    assert row.slot == (len(row.ids) - 1 if kind == "gpt2" else 0)
    ids = base.tokenizer.convert_tokens_to_ids(["bad", "good"])
    expected = lm_logits(base, row, row.slot)[ids].tolist()
    assert score(network, [row])[0].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_projectcls_is_tanh_and_one_linear_layer(kind: str) -> None:
    import torch

    base = load(kind)
    network = build(projectcls.PROJECTCLS, base)
    (row,) = network.rows("a warm film")
    with torch.inference_mode():
        states = base.network.base_model(torch.tensor([list(row.ids)])).last_hidden_state[0]
        expected = network.out.weight @ torch.tanh(states[row.slot]) + network.out.bias
    assert score(network, [row])[0].tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    new = {name for name, _ in network.named_parameters() if not name.startswith("model.")}
    assert new == {"out.weight", "out.bias"}


def labelled(classes: int, number: int, seed: int) -> list[Example]:
    """Texts that hold the word of their class, some with another label: not separable."""
    import random

    rng = random.Random(seed)
    words = ("ugly", "sweet", "city")
    made = []
    for index in range(number):
        label = index % classes
        shown_word = words[label] if rng.random() < 0.8 else words[(label + 1) % classes]
        noise = [rng.choice(("the", "a", "film", "plot", "movie", "some", "and")) for _ in range(rng.randint(2, 7))]
        noise.insert(rng.randrange(len(noise)), shown_word)
        made.append(Example(f"{seed}-{index}", " ".join(noise), label))
    return made


@pytest.mark.parametrize("variant", ["sparse", "dense"])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_probe_is_scikit_learns_regression_before_fine_tuning(variant: str, classes: int) -> None:
    import torch
    from sklearn.linear_model import LogisticRegression

    task = TASK._replace(label_names=("a", "b", "c")[:classes])
    base = load("bert")
    network = build(lpft.LPFT, base, task, variant=variant, grid=4)
    train, validation = labelled(classes, 60, 1), labelled(classes, 40, 2)
    network.train()
    before = torch.get_rng_state()
    context = fit_context(train, validation, task=task, base=base)
    lpft.warm_start(network, context, lpft.LpftOptions(variant=variant, grid=4))
    assert torch.equal(torch.get_rng_state(), before)
    assert network.training
    network.eval()

    def by_transformers(examples: list[Example]) -> Any:
        found = []
        for each in examples:
            with torch.inference_mode():
                first = base.network.bert(**base.tokenizer(each.text, return_tensors="pt")).last_hidden_state[0, 0]
                found.append(torch.tanh(network.dense(first) if variant == "dense" else first).numpy())
        return np.array(found)

    seen, held_out = (lpft._features(network, [e.text for e in part]) for part in (train, validation))
    np.testing.assert_allclose(seen, by_transformers(train), atol=1e-5)
    np.testing.assert_allclose(held_out, by_transformers(validation), atol=1e-5)
    gold, best, expected = np.array([e.label for e in validation]), -1.0, None
    model = LogisticRegression(max_iter=500, warm_start=True)
    for value in np.logspace(-1, 2, 4):
        model.set_params(C=value).fit(seen, [e.label for e in train])
        accuracy = (model.predict(held_out) == gold).mean()
        if accuracy > best:
            best, expected = accuracy, model.predict_proba(held_out)
    assert best > 1.2 / classes
    logits = NetworkClassifier(network).logits([e.text for e in validation])
    found = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_two_classes_get_opposite_rows_of_half_the_weights() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    seen = rng.normal(size=(60, 3))
    gold = (seen[:, 0] + rng.normal(size=60) > 0.3).astype(int)
    weight, bias = lpft.probe(seen, gold, seen[:0], gold[:0], grid=4)  # C: 0.1, 1, 10, 100; no validation: 1
    model = LogisticRegression(C=1.0, max_iter=500).fit(seen, gold)
    np.testing.assert_allclose(weight, [-model.coef_[0] / 2, model.coef_[0] / 2], atol=1e-9)
    np.testing.assert_allclose(bias, [-model.intercept_[0] / 2, model.intercept_[0] / 2], atol=1e-9)


def test_the_smallest_of_equally_good_c_values_is_kept() -> None:
    from sklearn.linear_model import LogisticRegression

    seen = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    gold = np.array([0, 0, 1, 1])
    weight, _ = lpft.probe(seen, gold, seen, gold, grid=50)
    smallest = LogisticRegression(C=0.1, max_iter=500).fit(seen, gold).coef_[0, 0]
    assert weight[1, 0] == pytest.approx(smallest / 2, abs=1e-6)


def test_c_is_chosen_by_validation_accuracy() -> None:
    """Only a strong weight on a weak feature tells the classes apart, which a small C forbids."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(3)
    seen = rng.normal(size=(40, 5)) * [1, 0.01, 1, 1, 1]
    gold = (seen[:, 1] > 0).astype(int)
    held_out = rng.normal(size=(200, 5)) * [1, 0.01, 1, 1, 1]
    held_out_gold = (held_out[:, 1] > 0).astype(int)
    weight, bias = lpft.probe(seen, gold, held_out, held_out_gold, grid=7)
    chosen = ((held_out @ weight.T + bias).argmax(axis=1) == held_out_gold).mean()
    cold = [
        (LogisticRegression(C=c, max_iter=500, tol=1e-8).fit(seen, gold).predict(held_out) == held_out_gold).mean()
        for c in np.logspace(-1, 2, 7)
    ]
    assert chosen == pytest.approx(max(cold), abs=0.011)
    assert max(cold) > min(cold) + 0.02


def weights(network: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
@pytest.mark.parametrize("head", [scratch.MLP_SCRATCH, scratch.MVP_SCRATCH], ids=lambda head: head.name)
def test_scratch_is_the_same_shape_with_other_weights_and_leaves_the_base_alone(kind: str, head: Head) -> None:
    import torch

    base = load(kind)
    network, before, config = base.network, weights(base.network), base.network.config.to_dict()
    made = build(head, base)
    assert base.network is network
    assert base.network.config.to_dict() == config
    assert made.body.config is not base.network.config
    own, given = weights(made.body), weights(base.network.base_model)
    assert {n: t.shape for n, t in own.items()} == {n: t.shape for n, t in given.items()}
    matrices = [n for n, t in own.items() if t.is_floating_point() and t.ndim == 2]
    assert len(matrices) > 5
    assert not any(torch.equal(own[name], given[name]) for name in matrices)
    assert made.body.config._attn_implementation == base.network.config._attn_implementation == "sdpa"
    made.train()
    optimizer = torch.optim.SGD(made.parameters(), lr=1.0)
    made(pad(rows_of(made), made.pad_id)).sum().backward()
    optimizer.step()
    assert all(torch.equal(t, before[n]) for n, t in base.network.state_dict().items())
    assert all(p.grad is None for p in base.network.parameters())
    if head is scratch.MVP_SCRATCH:
        assert made.model.get_output_embeddings().weight is made.model.get_input_embeddings().weight


def test_scratch_follows_torchs_seed() -> None:
    import torch

    base = load("bert")
    first, again = build(scratch.MVP_SCRATCH, base), build(scratch.MVP_SCRATCH, base)
    torch.manual_seed(2)
    other = scratch.MVP_SCRATCH.build(base, TASK, mvp.MvpOptions(template_texts=(APPENDED,)))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.embed(torch.tensor([7])), other.embed(torch.tensor([7])))


def test_the_weights_of_a_network_are_listed_once() -> None:
    """A name twice would double every snapshot of the best weights."""
    network = build(mvp.MVP, load("bert"))
    names = network.state_dict()
    tied = {"model.cls.predictions.decoder.weight", "model.cls.predictions.decoder.bias"}
    places = [tensor.data_ptr() for name, tensor in names.items() if name not in tied and tensor.numel()]
    assert len(set(places)) == len(places)
    assert "words" not in names
