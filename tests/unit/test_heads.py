"""The heads ``mlp`` and ``mvp`` against hand-made computations on the tiny random model."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest

from benchmark.api import MaskedLanguageModel, NoOptions, Row, Task
from benchmark.api import pad_rows as pad
from benchmark.errors import BadOptions, NotApplicable
from benchmark_plugins.defenses.heads import mlp, mvp, templates, tokens, verbalizers
from benchmark_plugins.models import tiny_causal, tiny_random

TASK = Task("toy", ("negative", "positive"), 32)


@pytest.fixture
def base() -> MaskedLanguageModel:
    return tiny_random.load(None)  # type: ignore[arg-type]


def scores(network: Any, rows: list[Row]) -> Any:
    """Scores of rows asked one by one, without padding."""
    import torch

    with torch.inference_mode():
        return torch.cat([network(pad([row], network.pad_id)) for row in rows])


def build_mvp(base: MaskedLanguageModel, task: Task = TASK, **options: Any) -> Any:
    return mvp.build(base, task, mvp.MvpOptions(**options)).eval()


def words_of(base: MaskedLanguageModel, row: Row) -> list[str]:
    return list(base.tokenizer.convert_ids_to_tokens(list(row.ids)))


@pytest.mark.parametrize("model", [tiny_random, tiny_causal], ids=lambda model: model.MODEL.name)
def test_a_tiny_model_is_the_same_on_every_load_and_leaves_the_random_stream_alone(model: Any) -> None:
    import torch

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = model.load(None), model.load(None)
    assert torch.equal(torch.rand(1), expected)
    pairs = zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert first.network.get_output_embeddings().weight is first.network.get_input_embeddings().weight


@pytest.mark.parametrize("model", [tiny_random, tiny_causal], ids=lambda model: model.MODEL.name)
def test_no_lower_case_word_is_unknown_to_the_tiny_vocabulary(model: Any) -> None:
    tokenizer = model.load(None).tokenizer
    ids = tokenizer("a zyzzyva, 12 quokkas!", add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token_id not in ids


def test_mvp_scores_equal_the_full_mlm_logits_at_the_mask(base: MaskedLanguageModel) -> None:
    """Max over a class's words of the logits that transformers' own forward gives at the mask."""
    import torch

    words = {"negative": ("bad", "dull", "boring"), "positive": ("good",)}
    network = build_mvp(base, template_texts=("{text} it was [MASK] .", "a [MASK] movie : {text}"), verbalizer=words)
    tokenizer = base.tokenizer
    for place, sentence in enumerate(("the plot is thin it was [MASK] .", "a [MASK] movie : the plot is thin")):
        encoded = tokenizer(sentence, return_tensors="pt")
        at = encoded["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        with torch.inference_mode():
            logits = base.network(**encoded).logits[0, at]
        expected = [max(float(logits[tokenizer.convert_tokens_to_ids(w)]) for w in words[n]) for n in TASK.label_names]
        row = network.rows("the plot is thin")[place]
        assert (list(row.ids), row.slot) == (encoded["input_ids"][0].tolist(), at)
        assert scores(network, [row])[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_mlp_scores_equal_dense_tanh_linear_on_the_first_token(base: MaskedLanguageModel) -> None:
    import torch

    network = mlp.build(base, TASK, NoOptions()).eval()
    encoded = base.tokenizer("a warm and funny film", return_tensors="pt")
    with torch.inference_mode():
        first = base.network.bert(**encoded).last_hidden_state[0, 0]
        hidden = torch.tanh(network.dense.weight @ first + network.dense.bias)
        expected = network.out.weight @ hidden + network.out.bias
    (row,) = network.rows("a warm and funny film")
    assert (list(row.ids), row.slot) == (encoded["input_ids"][0].tolist(), 0)
    assert scores(network, [row])[0].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_random_head_follows_torchs_seed_and_the_models_range() -> None:
    import torch

    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        network = mlp.build(tiny_random.load(None), TASK, NoOptions())  # type: ignore[arg-type]
        weights.append(network.dense.weight.detach())
        assert network.out.bias.abs().sum() == 0
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert float(weights[0].std()) == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize("template", ["{text} it was [MASK] .", "a [MASK] movie : {text}", "so {text} was [MASK]"])
def test_a_long_text_is_cut_and_the_template_is_not(base: MaskedLanguageModel, template: str) -> None:
    task = TASK._replace(max_length=14)
    row = build_mvp(base, task, template_texts=(template,)).rows("good " * 100)[0]
    assert len(row.ids) == 14
    words = words_of(base, row)
    assert (words[0], words[-1]) == ("[CLS]", "[SEP]")
    assert words[row.slot] == "[MASK]"
    kept = [w for w in words[1:-1] if w != "good"]
    assert kept == template.replace("{text} ", "").replace(" {text}", "").split()
    short = mlp.build(base, task, NoOptions()).rows("good " * 100)[0]
    assert words_of(base, short) == ["[CLS]", *["good"] * 12, "[SEP]"]


@pytest.mark.parametrize("text", ["[MASK] good [MASK]", "[CLS] good [SEP] [PAD]", "", "   ", "[UNK]", "a [MASK]"])
def test_a_text_brings_no_special_tokens_but_hidden_words(base: MaskedLanguageModel, text: str) -> None:
    tokenizer = base.tokenizer
    for network in (build_mvp(base), mlp.build(base, TASK, NoOptions())):
        for row in network.rows(text):
            ids = list(row.ids)
            own = 1 if hasattr(network, "table") else 0
            assert ids.count(tokenizer.mask_token_id) == own + text.count("[MASK]")
            assert ids.count(tokenizer.unk_token_id) == text.count("[UNK]")
            assert (ids.count(tokenizer.cls_token_id), ids.count(tokenizer.sep_token_id)) == (1, 1)
            assert tokenizer.pad_token_id not in ids


@pytest.mark.parametrize("template", ["{text} it was [MASK] .", "a [MASK] movie : {text}"])
def test_the_masks_of_a_text_do_not_move_the_slot(base: MaskedLanguageModel, template: str) -> None:
    network = build_mvp(base, template_texts=(template,))
    masked, unknown, plain = (network.rows(text)[0] for text in ("[MASK] plot [MASK]", "[UNK] plot [UNK]", "a plot a"))
    assert masked.slot == unknown.slot == plain.slot
    assert [list(row.text) for row in (masked, unknown)] == [list(plain.text)] * 2
    assert words_of(base, masked)[plain.slot] == "[MASK]"
    assert list(masked.ids).count(base.tokenizer.mask_token_id) == 3
    # The score is the one at the slot, whatever else is masked.
    import torch

    with torch.inference_mode():
        logits = base.network(torch.tensor([list(masked.ids)])).logits[0, plain.slot]
    good = float(logits[base.tokenizer.convert_tokens_to_ids(["good", "great"])].max())
    assert float(scores(network, [masked])[0, 1]) == pytest.approx(good, abs=1e-5)


def test_hidden_words_become_one_token_each(base: MaskedLanguageModel) -> None:
    ids = tokens.TextTokenizer(base.tokenizer)("the [UNK] film[UNK] a[MASK]b")
    expected = ["the", "[UNK]", "film", "[UNK]", "a", "[MASK]", "b"]
    assert base.tokenizer.convert_ids_to_tokens(ids) == expected


def test_a_row_does_not_depend_on_its_neighbours_or_on_padding(base: MaskedLanguageModel) -> None:
    import torch

    for network in (build_mvp(base, templates=1), mlp.build(base, TASK, NoOptions()).eval()):
        texts = ("good", "a long and rather tedious story about nothing at all", "so so")
        rows = [row for text in texts for row in network.rows(text)]
        with torch.inference_mode():
            together = network(pad(rows, network.pad_id))
        assert torch.allclose(together, scores(network, rows), atol=1e-5)


def test_training_templates_decide_the_rows_of_training_only(base: MaskedLanguageModel) -> None:
    texts = ("{text} it was [MASK] .", "a [MASK] movie : {text}", "{text} so [MASK]")
    every = build_mvp(base, template_texts=texts).rows("good")
    assert len(every) == 3
    for mode in ("all", "one", "random"):
        network = build_mvp(base, template_texts=texts, training_templates=mode)
        assert network.rows("good") == every
        drawn = [network.rows("good", random.Random(seed)) for seed in range(40)]
        if mode == "all":
            assert all(rows == every for rows in drawn)
        elif mode == "one":
            assert all(rows == every[:1] for rows in drawn)
        else:
            assert all(len(rows) == 1 for rows in drawn)
            assert {tuple(rows[0].ids) for rows in drawn} == {tuple(row.ids) for row in every}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"template_texts": ("{text} it was good",)}, r"\[MASK\] 0 times"),
        ({"template_texts": ("{text} [MASK] [MASK]",)}, r"\[MASK\] 2 times"),
        ({"template_texts": ("it was [MASK]",)}, r"\{text\} 0 times"),
        ({"template_texts": ("{text} {text} [MASK]",)}, r"\{text\} 2 times"),
        ({"template_texts": ("{first} it was [MASK]",)}, r"\{second\} 0 times"),
        ({"template_texts": ("{first} {text} {second} [MASK]",)}, r"\{text\} beside"),
        ({"templates": 99}, "asks for 99 templates, there are 2"),
        ({"templates": 3, "template_kind": "empty"}, "asks for 3 templates, there are 2"),
        ({"template_texts": ("{text} [MASK]",), "template_kind": "empty"}, "'template_texts' has no use"),
        ({"verbalizer": {"happy": ("good",)}}, "label 'happy'"),
        ({"verbalizer": {"negative": ("good",), "positive": ("good",)}}, "both 'negative' and 'positive'"),
        ({"verbalizer": {"negative": ("sad",)}, "verbalizer_kind": "random"}, "'verbalizer' has no use"),
    ],
)
def test_bad_options_are_refused_and_named(base: MaskedLanguageModel, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadOptions, match=told):
        build_mvp(base, **options)


def test_a_label_word_of_several_tokens_is_refused_with_its_pieces(base: MaskedLanguageModel) -> None:
    with pytest.raises(NotApplicable, match=r"'dullish' of label 'negative' \(toy\) is 4 tokens \(dull ##i ##s ##h\)"):
        build_mvp(base, verbalizer={"negative": ("dullish",)})


def test_two_spellings_of_one_token_are_not_words_of_two_labels(base: MaskedLanguageModel) -> None:
    with pytest.raises(NotApplicable, match="'Good' of label 'negative' and 'good' of label 'positive'"):
        build_mvp(base, verbalizer={"negative": ("Good",), "positive": ("good",)})


def test_a_template_that_leaves_no_room_is_refused_with_the_options_to_change(base: MaskedLanguageModel) -> None:
    text = "{text} it was a very good [MASK]"  # six tokens, and two special ones
    with pytest.raises(NotApplicable, match=r"leaves no room.*training\.max_length.*'templates' or 'template_texts'"):
        build_mvp(base, TASK._replace(max_length=8), template_texts=(text,))
    row = build_mvp(base, TASK._replace(max_length=9), template_texts=(text,)).rows("good film")[0]
    assert words_of(base, row) == ["[CLS]", "good", "it", "was", "a", "very", "good", "[MASK]", "[SEP]"]


def test_a_model_without_a_mask_is_refused(base: MaskedLanguageModel) -> None:
    base.tokenizer.mask_token = None
    with pytest.raises(NotApplicable, match="mask token"):
        build_mvp(base)


def test_a_label_without_listed_words_is_its_own_word() -> None:
    file = templates.prompt_file("no-such-dataset")
    task = Task("news", ("Sports", "Business", "positive"), 32)
    chosen = verbalizers.choose_words(file.words, task, {"BUSINESS": ("money",)})
    assert chosen == [("sports",), ("money",), ("good", "great")]


def byte_level_tokenizer() -> Any:
    """RoBERTa's kind, trained on a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    corpus = ["a bad movie : it was good . the plot is thin a bad it was the"] * 9
    backend.train_from_iterator(corpus, trainers.BpeTrainer(special_tokens=special, min_frequency=2))
    names = dict(cls_token="<s>", pad_token="<pad>", sep_token="</s>", unk_token="<unk>")
    return PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="<mask>", **names)


def test_a_byte_level_vocabulary_gets_the_spaces_of_a_sentence() -> None:
    """It tells ' was' from 'was': rows must equal the tokenizer's own reading of the whole sentence."""
    tokenizer = byte_level_tokenizer()
    appended = templates.Template("{text} it was [MASK] .", tokenizer)
    assert tokenizer.convert_ids_to_tokens(appended.fixed[1]) == ["Ġit", "Ġwas", "<mask>", "Ġ."]
    assert (appended.fixed[0], appended.spaced(0)) == ([], False)
    prepended = templates.Template("a [MASK] movie : {text}", tokenizer)
    assert tokenizer.convert_ids_to_tokens(prepended.fixed[0]) == ["a", "<mask>", "Ġmovie", "Ġ:"]
    assert (prepended.fixed[1], prepended.spaced(0)) == ([], True)
    pair = templates.Template("{first} it was [MASK] {second}", tokenizer)
    assert (pair.spaced(0), pair.spaced(1)) == (False, True)
    text = tokens.TextTokenizer(tokenizer)("the plot", leading_space=True)
    assert tokenizer.convert_ids_to_tokens(text) == ["Ġthe", "Ġplot"]
    assert tokens.pieces(tokenizer, "good") == ["Ġgood"]


def test_the_texts_tokens_are_the_same_in_every_row_of_a_byte_level_model() -> None:
    tokenizer = byte_level_tokenizer()
    columns = tokens.Columns(tokenizer)
    pair = [templates.Template(text, tokenizer) for text in ("{text} it was [MASK] .", "a [MASK] movie : {text}")]
    ids = columns.ids("the plot", [any(t.spaced(0) for t in pair)])
    for template in pair:
        row = template.row(columns, ids, 20)
        named = dict(zip(row.text, tokenizer.convert_ids_to_tokens(list(row.ids)), strict=True))
        assert {index: named[index] for index in (0, 1)} == {0: "Ġthe", 1: "Ġplot"}
    # Alone, the appended one begins its sentence with the text.
    assert tokenizer.convert_ids_to_tokens(columns.ids("the plot", [pair[0].spaced(0)])[0])[-1] == "Ġplot"
    assert tokenizer.convert_ids_to_tokens(columns.ids("the plot", [pair[0].spaced(0)])[0])[0] != "Ġthe"


def test_the_models_own_mask_in_a_template_is_a_word(base: MaskedLanguageModel) -> None:
    tokenizer = byte_level_tokenizer()
    template = templates.Template("<mask> it was [MASK] {text}", tokenizer)
    row = template.row(tokens.Columns(tokenizer), [[]], 20)
    assert tokenizer.convert_ids_to_tokens(list(row.ids)) == ["<s>", "<mask>", "Ġit", "Ġwas", "<mask>", "</s>"]
    assert row.slot == 4


def test_the_head_of_robertas_kind_is_read_too(base: MaskedLanguageModel) -> None:
    import torch
    from transformers import RobertaConfig, RobertaForMaskedLM

    tokenizer = base.tokenizer
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = RobertaConfig(vocab_size=len(tokenizer), pad_token_id=0, initializer_range=0.5, **sizes)
    network = RobertaForMaskedLM(config).eval()
    words = {"negative": ("bad", "dull"), "positive": ("good",)}
    prompt = build_mvp(MaskedLanguageModel(network, tokenizer), template_texts=("{text} was [MASK]",), verbalizer=words)
    row = prompt.rows("the plot")[0]
    with torch.inference_mode():
        logits = network(torch.tensor([list(row.ids)])).logits[0, row.slot]
    expected = [max(float(logits[tokenizer.convert_tokens_to_ids(w)]) for w in words[n]) for n in TASK.label_names]
    assert row.slot == len(row.ids) - 2
    assert scores(prompt, [row])[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_a_head_of_another_kind_is_refused(base: MaskedLanguageModel) -> None:
    from transformers import ElectraConfig, ElectraForMaskedLM

    config = ElectraConfig(vocab_size=300, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
    with pytest.raises(NotApplicable, match="head of ElectraForMaskedLM is not known"):
        build_mvp(MaskedLanguageModel(ElectraForMaskedLM(config), base.tokenizer))


def test_prompt_files_are_frozen_with_the_heads_version() -> None:
    """A changed prompt file changes what ``mvp`` computes: raise ``MVP.version`` together with this digest."""
    files = sorted(templates.FOLDER.glob("*.toml"))
    assert [path.stem for path in files] == ["default", "rotten_tomatoes", "trec"]
    content = [templates.prompt_file(path.stem) for path in files]
    found = hashlib.sha256(repr([(f.templates, sorted(f.words.items())) for f in content]).encode()).hexdigest()
    assert (mvp.MVP.version, found[:16]) == (2, "e53435cd971cdfe7")


@pytest.mark.parametrize("name", ["default", "rotten_tomatoes", "trec"])
def test_prompt_files_hold_good_templates_and_disjoint_words(base: MaskedLanguageModel, name: str) -> None:
    file = templates.prompt_file(name)
    for text in file.templates:
        templates.Template(text, base.tokenizer)
    assert len(set(file.templates)) == len(file.templates)
    if name != "default":
        words = [word for listed in file.words.values() for word in listed]
        assert len(set(words)) == len(words)
