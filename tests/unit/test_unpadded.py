"""Rows without padding: the bits of a padded forward, whatever the company, and only where a body is understood."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.api import MaskedLanguageModel, NoOptions, Row, Task, pad_rows
from benchmark.fit.classifier import NetworkClassifier
from benchmark.resources import open_resources
from benchmark_plugins.defenses.heads import lpft, mlp, mvp, projectcls
from benchmark_plugins.models import tiny_causal, tiny_random

TASK = Task("toy", ("negative", "positive"), 48)
TEXTS = ["", "x", "good", "so so", "[MASK]", "a dull film", "the plot is thin\x1ebut the acting is warm", "a " * 60]
HEADS: dict[str, Any] = {
    "mlp": lambda base: mlp.build(base, TASK, NoOptions()),
    "mvp": lambda base: mvp.build(base, TASK, mvp.MvpOptions()),
    "projectcls": lambda base: projectcls.build(base, TASK, NoOptions()),
    "lpft": lambda base: lpft.build(base, TASK, lpft.LpftOptions(variant="dense")),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Any:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny_roberta() -> MaskedLanguageModel:
    """A random RoBERTa with the tokenizer of ``tiny-random``: its positions begin behind the padding id."""
    import torch
    from transformers import AutoModelForMaskedLM, RobertaConfig

    tokenizer = tiny_random.load(None).tokenizer  # type: ignore[arg-type]
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(2)
    network = AutoModelForMaskedLM.from_config(config, attn_implementation="sdpa").eval()
    return MaskedLanguageModel(network, tokenizer)


def build(name: str, base: Any = None) -> Any:
    import torch

    torch.manual_seed(1)
    return HEADS[name](tiny_random.load(None) if base is None else base).eval()  # type: ignore[arg-type]


def padded(network: Any, row: Row, precision: str) -> Any:
    """The row's scores by the network's ordinary forward, in a batch of four equal rows."""
    import torch

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        return network(pad_rows([row] * 4, network.pad_id))[0]


@pytest.fixture(scope="module", params=[*HEADS, "roberta"])
def network(request: pytest.FixtureRequest) -> Any:
    return build("mlp", tiny_roberta()) if request.param == "roberta" else build(request.param)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_any_company_gives_the_bits_of_the_padded_forward(network: Any, precision: str) -> None:
    import torch

    rows = [row for text in TEXTS for row in network.rows(text)]
    expected = [padded(network, row, precision) for row in rows]

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=24))
    def check(chosen: list[int]) -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            found = network.unpadded([rows[index] for index in chosen])
        assert found.shape == (len(chosen), 2)
        assert torch.equal(found, torch.stack([expected[index] for index in chosen]))

    check()


def test_the_classifier_takes_that_way_and_its_answers_do_not_depend_on_the_batch(network: Any) -> None:
    shapes = []
    network.body.register_forward_pre_hook(lambda *given: shapes.append(given))
    alone = np.concatenate([NetworkClassifier(network).logits([text]) for text in TEXTS])
    order = random.Random(0).choices(range(len(TEXTS)), k=40)
    for batch_rows in (1, 3, 32):
        found = NetworkClassifier(network, batch_rows).logits([TEXTS[index] for index in order])
        np.testing.assert_array_equal(found, alone[order])
    assert not shapes, "the body's own forward was called"


def test_gradients_and_other_embeddings_still_go_through_the_forward(network: Any) -> None:
    classifier = NetworkClassifier(network)
    given = classifier.logits_with(TEXTS, lambda rows, texts: network.embed(rows.ids))
    np.testing.assert_allclose(given, classifier.logits(TEXTS), atol=1e-5)


@pytest.mark.parametrize("change", ["causal", "eager", "relative"])
def test_a_body_that_is_not_understood_is_asked_in_batches_of_equal_length(change: str) -> None:
    if change == "causal":
        network = mlp.build(tiny_causal.load(None), TASK, NoOptions()).eval()  # type: ignore[arg-type]
    else:
        network = build("mlp")
        name = {"eager": "_attn_implementation", "relative": "position_embedding_type"}[change]
        setattr(network.body.config, name, {"eager": "eager", "relative": "relative_key"}[change])
    calls: list[int] = []
    network.body.register_forward_hook(lambda *given: calls.append(1))
    rows = [row for text in TEXTS for row in network.rows(text)]
    assert network.unpadded(rows) is None
    NetworkClassifier(network).logits(TEXTS)
    assert len(calls) == len({len(row.ids) for row in rows})


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("head", ["mlp", "mvp"])
def test_the_same_of_a_real_model(head: str, precision: Any) -> None:
    network = build(head, open_resources(progress=False).fresh_model("minilm-mlm"))
    texts = [*TEXTS, *(" ".join(["an", "uneven", "film"] * n) for n in range(1, 12))]
    classifier = NetworkClassifier(network, 32, precision)
    rows = [network.rows(text) for text in texts]
    expected = np.stack([np.mean([padded(network, r, precision).float().numpy() for r in each], 0) for each in rows])
    for chosen in (range(len(texts)), range(len(texts))[::-1], [2], [0], [0, 1], [5, 5, 9]):
        np.testing.assert_array_equal(classifier.logits([texts[i] for i in chosen]), expected[list(chosen)])
