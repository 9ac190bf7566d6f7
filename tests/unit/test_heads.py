"""The heads ``mlp`` and ``mvp`` against hand-made computations on the tiny random model."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest

from benchmark.api import MaskedLanguageModel, NoOptions, Task
from benchmark.errors import BadOptions, NotApplicable
from benchmark_plugins.defenses import mlp, mvp, templates, tokens
from benchmark_plugins.models import tiny_random

TASK = Task("toy", ("negative", "positive"), 32)


@pytest.fixture
def base() -> MaskedLanguageModel:
    return tiny_random.load(None)  # type: ignore[arg-type]


def scores(network: Any, rows: list[list[int]]) -> Any:
    import torch

    with torch.inference_mode():
        return torch.cat([network(torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long)) for row in rows])


def build_mvp(base: MaskedLanguageModel, task: Task = TASK, **options: Any) -> Any:
    return mvp.build(base, task, mvp.MvpOptions(**options)).eval()


def test_the_tiny_model_is_the_same_on_every_load_and_leaves_the_random_stream_alone() -> None:
    import torch

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = tiny_random.load(None), tiny_random.load(None)  # type: ignore[arg-type]
    assert torch.equal(torch.rand(1), expected)
    pairs = zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert first.network.get_output_embeddings().weight is first.network.get_input_embeddings().weight


def test_no_lower_case_word_is_unknown_to_the_tiny_vocabulary(base: MaskedLanguageModel) -> None:
    ids = base.tokenizer("a zyzzyva, 12 quokkas!", add_special_tokens=False)["input_ids"]
    assert base.tokenizer.unk_token_id not in ids


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
        assert row == encoded["input_ids"][0].tolist()
        assert scores(network, [row])[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_mlp_scores_equal_dense_tanh_linear_on_the_first_token(base: MaskedLanguageModel) -> None:
    import torch

    network = mlp.build(base, TASK, NoOptions()).eval()
    encoded = base.tokenizer("a warm and funny film", return_tensors="pt")
    with torch.inference_mode():
        first = base.network.bert(**encoded).last_hidden_state[0, 0]
        hidden = torch.tanh(network.dense.weight @ first + network.dense.bias)
        expected = network.out.weight @ hidden + network.out.bias
    assert network.rows("a warm and funny film") == [encoded["input_ids"][0].tolist()]
    assert scores(network, network.rows("a warm and funny film"))[0].tolist() == pytest.approx(
        expected.tolist(), abs=1e-5
    )


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
    assert len(row) == 14
    words = base.tokenizer.convert_ids_to_tokens(row)
    assert (words[0], words[-1]) == ("[CLS]", "[SEP]")
    kept = [w for w in words[1:-1] if w != "good"]
    assert kept == template.replace("{text} ", "").replace(" {text}", "").split()
    short = mlp.build(base, task, NoOptions()).rows("good " * 100)[0]
    assert base.tokenizer.convert_ids_to_tokens(short) == ["[CLS]", *["good"] * 12, "[SEP]"]


@pytest.mark.parametrize("text", ["[MASK] good [MASK]", "[CLS] good [SEP] [PAD]", "", "   ", "[UNK]", "a [MASK]"])
def test_a_text_cannot_bring_special_tokens_of_its_own(base: MaskedLanguageModel, text: str) -> None:
    tokenizer = base.tokenizer
    for network in (build_mvp(base), mlp.build(base, TASK, NoOptions())):
        for row in network.rows(text):
            assert row.count(tokenizer.mask_token_id) == (1 if hasattr(network, "table") else 0)
            assert (row.count(tokenizer.cls_token_id), row.count(tokenizer.sep_token_id)) == (1, 1)
            assert tokenizer.pad_token_id not in row


def test_the_mask_of_a_text_does_not_move_the_slot(base: MaskedLanguageModel) -> None:
    network = build_mvp(base, template_texts=("{text} it was [MASK] .",))
    masked, unknown = network.rows("[MASK] plot"), network.rows("[UNK] plot")
    assert masked == unknown
    assert masked[0].index(base.tokenizer.mask_token_id) == len(masked[0]) - 3


def test_hidden_words_become_one_unknown_token(base: MaskedLanguageModel) -> None:
    ids = tokens.TextTokenizer(base.tokenizer)("the [UNK] film[UNK]")
    assert base.tokenizer.convert_ids_to_tokens(ids) == ["the", "[UNK]", "film", "[UNK]"]


def test_a_row_does_not_depend_on_its_neighbours_or_on_padding(base: MaskedLanguageModel) -> None:
    import torch

    from benchmark.fit.batching import pad

    for network in (build_mvp(base, templates=1), mlp.build(base, TASK, NoOptions()).eval()):
        texts = ("good", "a long and rather tedious story about nothing at all", "so so")
        rows = [row for text in texts for row in network.rows(text)]
        with torch.inference_mode():
            together = network(*pad(rows, network.pad_id))
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
            assert {tuple(rows[0]) for rows in drawn} == {tuple(row) for row in every}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"template_texts": ("{text} it was good",)}, r"\[MASK\] 0 times"),
        ({"template_texts": ("{text} [MASK] [MASK]",)}, r"\[MASK\] 2 times"),
        ({"template_texts": ("it was [MASK]",)}, r"\{text\} 0 times"),
        ({"templates": 99}, "asks for 99 templates, there are 2"),
        ({"verbalizer": {"happy": ("good",)}}, "label 'happy'"),
        ({"verbalizer": {"negative": ("good",), "positive": ("good",)}}, "both 'negative' and 'positive'"),
    ],
)
def test_bad_options_are_refused_and_named(base: MaskedLanguageModel, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadOptions, match=told):
        build_mvp(base, **options)


def test_a_label_word_of_several_tokens_is_refused_with_its_pieces(base: MaskedLanguageModel) -> None:
    with pytest.raises(NotApplicable, match=r"'dullish' of label 'negative' \(toy\) is 4 tokens \(dull ##i ##s ##h\)"):
        build_mvp(base, verbalizer={"negative": ("dullish",)})


def test_a_template_that_leaves_no_room_is_refused(base: MaskedLanguageModel) -> None:
    with pytest.raises(NotApplicable, match="leaves no room"):
        build_mvp(base, TASK._replace(max_length=8), template_texts=("{text} one two three four five [MASK]",))


def test_a_model_without_a_mask_is_refused(base: MaskedLanguageModel) -> None:
    base.tokenizer.mask_token = None
    with pytest.raises(NotApplicable, match="mask token"):
        build_mvp(base)


def test_a_label_without_listed_words_is_its_own_word(base: MaskedLanguageModel) -> None:
    file = templates.prompt_file("no-such-dataset")
    task = Task("news", ("Sports", "Business", "positive"), 32)
    assert templates.choose_words(file, task, {"BUSINESS": ("money",)}) == [("sports",), ("money",), ("good", "great")]


def test_a_byte_level_vocabulary_gets_the_spaces_of_a_sentence() -> None:
    """RoBERTa's kind tells ' was' from 'was': rows must equal the tokenizer's own reading of the whole sentence."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    corpus = ["a bad movie : it was good . the plot is thin a bad it was"] * 9
    backend.train_from_iterator(corpus, trainers.BpeTrainer(special_tokens=special, min_frequency=2))
    names = dict(cls_token="<s>", pad_token="<pad>", sep_token="</s>", unk_token="<unk>")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="<mask>", **names)
    appended = templates.Template("{text} it was [MASK] .", tokenizer)
    assert tokenizer.convert_ids_to_tokens(appended.after) == ["Ġit", "Ġwas", "<mask>", "Ġ."]
    prepended = templates.Template("a [MASK] movie : {text}", tokenizer)
    assert tokenizer.convert_ids_to_tokens(prepended.before) == ["a", "<mask>", "Ġmovie", "Ġ:"]
    text = tokens.TextTokenizer(tokenizer)("the plot", leading_space=True)
    assert tokenizer.convert_ids_to_tokens(text) == ["Ġthe", "Ġplot"]
    assert tokens.pieces(tokenizer, "good") == ["Ġgood"]


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
        logits = network(torch.tensor([row])).logits[0, len(row) - 2]
    expected = [max(float(logits[tokenizer.convert_tokens_to_ids(w)]) for w in words[n]) for n in TASK.label_names]
    assert scores(prompt, [row])[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_prompt_files_are_frozen_with_the_heads_version() -> None:
    """A changed prompt file changes what ``mvp`` computes: raise ``MVP.version`` together with this digest."""
    files = sorted(templates.FOLDER.glob("*.toml"))
    assert [path.stem for path in files] == ["default", "rotten_tomatoes", "trec"]
    content = [templates.prompt_file(path.stem) for path in files]
    found = hashlib.sha256(repr([(f.templates, sorted(f.words.items())) for f in content]).encode()).hexdigest()
    assert (mvp.MVP.version, found[:16]) == (1, "e53435cd971cdfe7")


@pytest.mark.parametrize("name", ["default", "rotten_tomatoes", "trec"])
def test_prompt_files_hold_good_templates_and_disjoint_words(base: MaskedLanguageModel, name: str) -> None:
    file = templates.prompt_file(name)
    for text in file.templates:
        templates.Template(text, base.tokenizer)
    assert len(set(file.templates)) == len(file.templates)
    if name != "default":
        words = [word for listed in file.words.values() for word in listed]
        assert len(set(words)) == len(words)
