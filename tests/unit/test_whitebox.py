"""White-box access: gradients, tokens with spans and the embedding matrix of a fitted network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark.api import COLUMN_SEPARATOR, NoOptions, Task
from benchmark.engine import QueryCounter, VictimInfo
from benchmark.errors import BudgetExhausted, NotApplicable
from benchmark.fit.classifier import NetworkClassifier
from benchmark_plugins.defenses.heads import mlp, mvp
from benchmark_plugins.defenses.heads.tokens import Columns, TextTokenizer
from benchmark_plugins.models import tiny_random

TASK = Task("toy", ("negative", "positive"), 32)
TEXT = "a Dull film, with unplotted acting!"


@pytest.fixture(scope="module")
def base() -> Any:
    return tiny_random.load(None)  # type: ignore[arg-type]


@pytest.fixture(params=["mlp", "mvp"])
def network(request: pytest.FixtureRequest, base: Any) -> Any:
    import torch

    torch.manual_seed(0)
    if request.param == "mlp":
        return mlp.build(base, TASK, NoOptions()).double().eval()
    return mvp.build(base, TASK, mvp.MvpOptions()).double().eval()


def loss_of(network: Any, text: str, label: int, shift: Any = None) -> float:
    """Cross-entropy of the mean logits, row by row and by hand; ``shift`` [T, d] is added to the text's tokens."""
    import torch

    scores = []
    with torch.no_grad():
        for row in network.rows(text):
            batch = row_batch(row)
            embeddings = network.embed(batch.ids)
            if shift is not None:
                for place, index in enumerate(row.text):
                    if index >= 0:
                        embeddings[0, place] += shift[index]
            scores.append(network(batch, embeddings)[0])
    mean = torch.stack(scores).mean(dim=0)
    return float(torch.logsumexp(mean, dim=0) - mean[label])


def row_batch(row: Any) -> Any:
    from benchmark.api import pad_rows

    return pad_rows([row], 0)


@pytest.mark.parametrize("label", [0, 1])
def test_gradients_are_the_finite_differences_of_the_loss(network: Any, label: int) -> None:
    import torch

    found = NetworkClassifier(network).gradients(TEXT, label)
    assert found.gradients.dtype == np.float32
    assert found.gradients.shape == (len(found.ids), 32)
    rng = np.random.default_rng(label)
    for _ in range(3):
        direction = torch.from_numpy(rng.normal(size=found.gradients.shape))
        step = 1e-5
        rise = loss_of(network, TEXT, label, step * direction) - loss_of(network, TEXT, label, -step * direction)
        assert rise / (2 * step) == pytest.approx(float((direction.numpy() * found.gradients).sum()), rel=1e-4)
    assert np.abs(found.gradients).max() > 0


def test_gradients_are_those_of_autograd_row_by_row(network: Any) -> None:
    import torch

    leaves, scores = [], []
    rows = network.rows(TEXT)
    for row in rows:
        batch = row_batch(row)
        leaf = network.embed(batch.ids).detach().requires_grad_(True)
        leaves.append(leaf)
        scores.append(network(batch, leaf)[0])
    loss = -torch.log_softmax(torch.stack(scores).mean(dim=0), dim=0)[1]
    expected = np.zeros((len(NetworkClassifier(network).token_ids(TEXT)), 32))
    for row, gradient in zip(rows, torch.autograd.grad(loss, leaves), strict=True):
        for place, index in enumerate(row.text):
            if index >= 0:
                expected[index] += gradient[0, place].numpy()
    np.testing.assert_allclose(NetworkClassifier(network).gradients(TEXT, 1).gradients, expected, atol=1e-7)


def test_dropout_is_off_modes_and_parameters_stay(network: Any) -> None:
    import torch

    classifier = NetworkClassifier(network)
    expected = classifier.gradients(TEXT, 0)
    network.train()
    first = next(network.parameters())
    first.grad = torch.ones_like(first)
    state = torch.get_rng_state()
    with torch.inference_mode():  # also where the caller switched gradients off
        found = classifier.gradients(TEXT, 0)
    assert np.array_equal(found.gradients, expected.gradients)
    assert network.training
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.grad, torch.ones_like(first))
    assert all(parameter.grad is None for parameter in list(network.parameters())[1:])
    first.grad = None
    network.eval()


def test_logits_are_not_changed_by_a_look_inside(network: Any) -> None:
    classifier = NetworkClassifier(network)
    before = classifier.logits([TEXT])
    classifier.gradients(TEXT, 1)
    assert np.array_equal(classifier.logits([TEXT]), before)


def test_spans_point_at_the_words(network: Any) -> None:
    found = NetworkClassifier(network).gradients(TEXT, 1)
    tokens = [TEXT[first:last] for first, last in found.spans]
    assert tokens[:4] == ["a", "Dull", "film", ","]
    assert "".join(tokens) == TEXT.replace(" ", "")
    assert list(found.ids) == NetworkClassifier(network).token_ids(TEXT)


def test_tokens_that_no_row_shows_have_zero_gradients(network: Any) -> None:
    long = "film " * 60
    found = NetworkClassifier(network).gradients(long, 1)
    assert len(found.ids) == len(found.spans) == len(found.gradients) == 60
    assert long[slice(*found.spans[59])] == "film"
    shown = np.abs(found.gradients).sum(axis=1) > 0
    assert shown[0]
    assert not shown[40:].any()


@pytest.mark.parametrize(
    "text", ["", " ", "[MASK]", "[SEP] film", "\x00", "\u05d0\u05d1 film", "caf\u00e9 \U0001f600 film"]
)
def test_odd_texts_have_as_many_spans_as_tokens(network: Any, text: str) -> None:
    found = NetworkClassifier(network).gradients(text, 0)
    assert len(found.ids) == len(found.spans) == len(found.gradients)
    assert all(0 <= first <= last <= len(text) for first, last in found.spans)
    if "film" in text:
        assert text[slice(*found.spans[-1])] == "film"


def test_spans_of_masks_columns_and_blanks(base: Any) -> None:
    columns = Columns(base.tokenizer)
    text = f"good [MASK] film {COLUMN_SEPARATOR} bad  [UNK]plot "
    spans = columns.spans(text, (True, True))
    assert [text[slice(*span)] for span in spans] == ["good", "[MASK]", "film", "bad", "[UNK]", "plot"]
    assert [i for column in columns.ids(text, (True, True)) for i in column][1] == base.tokenizer.mask_token_id


@pytest.mark.parametrize("trim", [True, False])
def test_spans_of_a_byte_level_tokenizer(trim: bool) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<mask>", "<unk>", "g", "o", "d", "\u0120", "f", "\u0120g", "\u0120go"]
    raw = Tokenizer(
        models.BPE({p: i for i, p in enumerate(pieces)}, [("\u0120", "g"), ("\u0120g", "o")], unk_token="<unk>")
    )
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.post_processor = processors.ByteLevel(trim_offsets=trim)
    tokens = TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=raw, mask_token="<mask>", unk_token="<unk>"))
    for leading in (False, True):
        text = "go good <mask> go"
        found = [text[slice(*span)] for span in tokens.spans(text, leading)]
        assert found == (["go"] if leading else ["g", "o"]) + ["go", "o", "d", "<mask>", "go"]
        assert len(found) == len(tokens(text, leading))


def test_a_slow_tokenizer_and_a_closed_network_do_not_apply(base: Any) -> None:
    class Slow:
        is_fast = False
        unk_token = mask_token = cls_token = sep_token = bos_token = eos_token = pad_token = None

    with pytest.raises(NotApplicable):
        TextTokenizer(Slow()).spans("a film")

    class Closed:
        def __init__(self, network: Any) -> None:
            self.rows, self.parameters = network.rows, network.parameters

    closed = NetworkClassifier(Closed(mlp.build(base, TASK, NoOptions())))
    for call in (lambda: closed.gradients("a", 0), lambda: closed.token_ids("a"), closed.embedding_matrix):
        with pytest.raises(NotApplicable, match="scores only"):
            call()


def test_embedding_matrix_holds_what_embed_looks_up(network: Any) -> None:
    import torch

    matrix = NetworkClassifier(network).embedding_matrix()
    ids = NetworkClassifier(network).token_ids(TEXT)
    expected = network.embed(torch.tensor(ids)).detach().float().numpy()
    assert np.array_equal(matrix[ids], expected)
    assert matrix.shape == (network.vocabulary_size, 32)
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 1.0


def test_a_gradient_is_one_query_through_the_counter(network: Any) -> None:
    counter = QueryCounter(NetworkClassifier(network), VictimInfo(2, "[MASK]", "[UNK]"), budget=1)
    assert counter.gradients("a film", 1).ids == tuple(counter.token_ids("a film"))
    assert counter.queries == 1
    with pytest.raises(BudgetExhausted):
        counter.gradients("a film", 1)
