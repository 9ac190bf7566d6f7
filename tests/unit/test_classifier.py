"""The fitted classifier and batching."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.api import Example, NoOptions, Row, RowBatch, Task
from benchmark.api import pad_rows as pad
from benchmark.fit.batching import CHUNK, batches, bucketed, steps_per_epoch
from benchmark.fit.classifier import NetworkClassifier
from benchmark_plugins.defenses.heads import mlp, mvp
from benchmark_plugins.models import tiny_random

TASK = Task("toy", ("negative", "positive"), 32)
TEXTS = ["good", "a dull film", "the plot is thin but the acting is warm", "so so", "a fine film", "[MASK]", ""]


@pytest.fixture(scope="module", params=["mlp", "mvp"])
def network(request: pytest.FixtureRequest) -> Any:
    import torch

    torch.manual_seed(0)
    base = tiny_random.load(None)  # type: ignore[arg-type]
    return mlp.build(base, TASK, NoOptions()) if request.param == "mlp" else mvp.build(base, TASK, mvp.MvpOptions())


class Recorder:
    """A network that scores a row by its length and remembers the shapes it was asked for."""

    pad_id = 0

    def __init__(self) -> None:
        import torch

        self.training, self.shapes = True, []  # type: ignore[var-annotated]
        self.weight = torch.zeros(1)

    def parameters(self) -> Any:
        return iter([self.weight])

    def eval(self) -> None:
        self.training = False

    def train(self, mode: bool) -> None:
        self.training = mode

    def rows(self, text: str, rng: random.Random | None = None) -> list[Row]:
        return [Row([1] * (len(text) + 1)), Row([1] * (len(text) + 3))]

    def __call__(self, rows: RowBatch, embeddings: Any = None) -> Any:
        import torch

        assert not self.training
        assert torch.is_inference_mode_enabled()
        self.shapes.append(tuple(rows.ids.shape))
        length = rows.attention.sum(1).float() if embeddings is None else embeddings[:, 0]
        return torch.stack([length, -length], dim=1)


def test_logits_are_the_mean_over_rows_in_the_order_of_the_texts() -> None:
    recorder = Recorder()
    classifier = NetworkClassifier(recorder, batch_rows=2)
    found = classifier.logits(["aaaa", "", "aa", "aa"])
    assert found.dtype == np.float32
    assert found.tolist() == [[6, -6], [2, -2], [4, -4], [4, -4]]
    assert classifier.forwards_per_prediction == 2
    assert recorder.training
    assert recorder.shapes == [(4, 1), (4, 3), (4, 3), (4, 5), (4, 5), (4, 7)], "never fewer than four rows"


def test_only_rows_of_equal_length_share_a_batch_and_batches_are_bounded() -> None:
    recorder = Recorder()
    NetworkClassifier(recorder, batch_rows=5).logits(["a"] * 12)
    assert sorted(recorder.shapes) == sorted([(5, 2), (5, 2), (4, 2), (5, 4), (5, 4), (4, 4)])


def test_a_text_gets_the_same_logits_alone_and_in_company(network: Any) -> None:
    classifier = NetworkClassifier(network)
    together = classifier.logits(TEXTS)
    alone = np.concatenate([classifier.logits([text]) for text in TEXTS])
    assert together.shape == (len(TEXTS), 2)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_array_equal(together, classifier.logits(TEXTS))
    np.testing.assert_array_equal(classifier.logits([*TEXTS, *TEXTS])[: len(TEXTS)].argmax(1), together.argmax(1))


def test_no_text_gives_no_row(network: Any) -> None:
    assert NetworkClassifier(network).logits([]).shape == (0, 2)


def test_dropout_is_off_even_when_the_network_was_left_in_training_mode(network: Any) -> None:
    classifier = NetworkClassifier(network)
    expected = classifier.logits(TEXTS)
    network.train()
    np.testing.assert_array_equal(classifier.logits(TEXTS), expected)
    assert network.training
    network.eval()


def test_batch_rows_must_be_positive(network: Any) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        NetworkClassifier(network, batch_rows=0)


@given(st.lists(st.integers(1, 50), max_size=300), st.integers(1, 7), st.integers(0, 5))
def test_every_index_is_batched_once_and_batches_hold_like_lengths(lengths: list[int], size: int, seed: int) -> None:
    made = bucketed(lengths, size, random.Random(seed))
    assert sorted(index for batch in made for index in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in made)
    assert len(made) == steps_per_epoch(len(lengths), size)
    assert made == bucketed(lengths, size, random.Random(seed))
    if len(lengths) <= size * CHUNK:  # one chunk: the batches partition the sorted lengths
        spans = sorted((min(lengths[i] for i in batch), max(lengths[i] for i in batch)) for batch in made)
        assert all(left[1] <= right[0] for left, right in pairwise(spans))


def test_batches_pad_to_their_longest_row_and_name_the_owner() -> None:
    texts = [[[5, 6], [7]], [[8, 9, 10], [11]]]
    examples = [Example("a", "first", 0), Example("b", "second", 1)]
    rows_of = [[Row(ids) for ids in rows] for rows in texts]
    (batch,) = batches(rows_of, examples, 2, 99, random.Random(0))
    assert [("first", "second")[label] for label in batch.labels.tolist()] == list(batch.texts)
    ids, attention = batch.rows.ids, batch.rows.attention
    rows = [row[: int(a.sum())] for row, a in zip(ids.tolist(), attention, strict=True)]
    assert ids.shape == (4, 3)
    for row, owner in zip(rows, batch.owner.tolist(), strict=True):
        assert row in texts[batch.labels.tolist()[owner]]
    assert (ids[attention == 0] == 99).all()


def test_padding_is_no_text_and_a_row_without_an_index_is_all_text() -> None:
    made = pad([Row([1]), Row([2, 3, 4], text=[-1, 0, -1], slot=2, segments=[0, 1, 1])], 0)
    assert {name: tensor.tolist() for name, tensor in made._asdict().items()} == {
        "ids": [[1, 0, 0], [2, 3, 4]],
        "attention": [[1, 0, 0], [1, 1, 1]],
        "text": [[0, -1, -1], [-1, 0, -1]],
        "slot": [0, 2],
        "segments": [[0, 0, 0], [0, 1, 1]],
    }
    chosen = made.select(made.slot.new_tensor([1]))
    assert (chosen.ids.tolist(), chosen.slot.tolist()) == ([[2, 3, 4]], [2])


def test_logits_with_other_embeddings_name_the_text_of_each_row() -> None:
    import torch

    asked: list[tuple[list[str], tuple[int, ...]]] = []

    def embed(rows: RowBatch, texts: Any) -> Any:
        asked.append((list(texts), tuple(rows.ids.shape)))
        return torch.tensor([[float(len(text)), 0.0] for text in texts])

    found = NetworkClassifier(Recorder()).logits_with(["aaaa", "aa"], embed)
    assert found.tolist() == [[4, -4], [2, -2]]
    assert asked == [(["aa"] * 4, (4, 3)), (["aaaa", "aa", "aa", "aa"], (4, 5)), (["aaaa"] * 4, (4, 7))]


# --- the same text, the same logits ---------------------------------------------------------------------------------


def assert_alone_as_in_any_batch(network: Any, words: list[str], draws: random.Random, sizes: list[int]) -> None:
    """Texts of many lengths and of equal ones, asked in lists of every size and in every order: bit for bit."""
    classifier = NetworkClassifier(network)
    lengths = [draws.choice((1, 2, 3, 7, 8, 8, 8, 15, 16, 25)) for _ in range(24)]
    texts = [" ".join(draws.choices(words, k=length)) for length in lengths] + ["", words[0]]
    alone = {text: classifier.logits([text])[0] for text in texts}
    for size in sizes:
        asked = draws.choices(texts, k=size)
        for text, logits in zip(asked, classifier.logits(asked), strict=True):
            assert logits.tobytes() == alone[text].tobytes(), (size, text)


@pytest.fixture
def one_thread() -> Any:
    """As in a worker."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("seed", range(8))
def test_a_text_has_the_same_logits_alone_and_in_any_batch(network: Any, seed: int) -> None:
    words = ["good", "dull", "film", "a", "the", "plot", "thin", "warm", "unheard-of"]
    assert_alone_as_in_any_batch(network, words, random.Random(seed), [1, 2, 3, 4, 5, 33, 70])


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("head", ["mlp", "mvp"])
def test_a_text_has_the_same_logits_alone_and_in_any_batch_of_the_real_model(head: str) -> None:
    import torch

    from benchmark.errors import BenchError
    from benchmark.resources import open_resources

    try:
        base = open_resources(progress=False).fresh_model("minilm-mlm")
    except BenchError as problem:
        pytest.skip(str(problem))
    torch.manual_seed(0)
    task = TASK._replace(max_length=128)
    made = mlp.build(base, task, NoOptions()) if head == "mlp" else mvp.build(base, task, mvp.MvpOptions())
    words = [word for word in base.tokenizer.get_vocab() if word.isalpha()]
    for seed in range(2):
        assert_alone_as_in_any_batch(made, words, random.Random(seed), [2, 3, 5, 40])
