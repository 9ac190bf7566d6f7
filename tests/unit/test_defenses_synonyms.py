"""The synonym-based defenses: the table, hulls over rows, ``ascc``, ``dne`` and ``safer`` with its certificate."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from fitting import TASK, begin, fit_context, toy, train_on
from numpy.typing import NDArray
from torch import nn

from benchmark import (
    COLUMN_SEPARATOR,
    Capability,
    Example,
    ModelRole,
    ObjectiveContext,
    ObjectiveRun,
    RowBatch,
    Stage,
    TrainingBatch,
    WrapContext,
    pool_rows,
    text_logits,
)
from benchmark.api import pad_rows as pad
from benchmark.errors import AssetMissing, BadOptions, NotApplicable, UnknownName
from benchmark.fit.classifier import NetworkClassifier
from benchmark.suite import Training
from benchmark_plugins.attacks.embedding import Table
from benchmark_plugins.defenses.heads import mlp, mvp
from benchmark_plugins.defenses.heads.tokens import Columns
from benchmark_plugins.defenses.hulls import Hulls, simplex
from benchmark_plugins.defenses.objectives import ascc, clean
from benchmark_plugins.defenses.words import WORD, candidates, like
from benchmark_plugins.defenses.wrappers import dne, safer, safer_certificate
from benchmark_plugins.models import synonyms, tiny_random

NEAR = {
    "film": ("movie", "picture", "story"),
    "movie": ("film", "show"),
    "good": ("great", "fun", "flubber"),  # the last is no single token of tiny-random
    "great": ("excellent",),
    "bad": ("poor",),
    "mask": ("cast",),
}
TEXT = "a good film , not a bad movie ."
TEMPLATES = mvp.MvpOptions(
    template_texts=("{text} it was [MASK] .", "a [MASK] story : {text}", "{text} the film is [MASK] .")
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads cost more than they give for networks this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Fake:
    """A synonym table given by a dictionary."""

    def __init__(self, near: Mapping[str, Sequence[str]] | None = None) -> None:
        self.near = NEAR if near is None else near

    def neighbours(self, word: str) -> tuple[tuple[str, float], ...]:
        return tuple((name, 0.9) for name in self.near.get(word, ()))


class FakeResources:
    def __init__(self, table: Any) -> None:
        self.table, self.asked = table, set()  # type: ignore[var-annotated]

    def model(self, name: str) -> Any:
        self.asked.add(name)
        return self.table


BASE = tiny_random.load(None)  # type: ignore[arg-type]
TOKENS = BASE.tokenizer


def ids_of(*words: str) -> list[int]:
    return list(TOKENS.convert_tokens_to_ids(list(words)))


class Linear(nn.Module):
    """Mean of the embeddings of attended positions, then one linear layer; rows as ``mlp`` makes them."""

    def __init__(self, scale: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.pad_id = TOKENS.pad_token_id
        self.words = nn.Embedding(len(TOKENS), 6)
        self.out = nn.Linear(6, 3)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))

    def rows(self, text: str, rng: Any = None) -> list[Any]:
        return [Columns(TOKENS).row(text, 32)]

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        return self.words(ids)

    def forward(self, rows: RowBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        found = self.embed(rows.ids) if embeddings is None else embeddings
        share = rows.attention / rows.attention.sum(dim=1, keepdim=True)
        return self.out(self.dropout((found * share[:, :, None]).sum(dim=1)))


class Templated(Linear):
    """The text in two rows: as it stands, and after two words."""

    def rows(self, text: str, rng: Any = None) -> list[Any]:
        row = Columns(TOKENS).row(text, 32)
        before = ids_of("the", "film")
        return [row, row._replace(ids=[row.ids[0], *before, *row.ids[1:]], text=[-1, -1, -1, *row.text[1:]])]


def batch_of(network: Any, texts: Sequence[str], labels: Sequence[int] | None = None) -> TrainingBatch:
    rows = [network.rows(text) for text in texts]
    owner = torch.tensor([number for number, listed in enumerate(rows) for _ in listed])
    given = torch.tensor(list(labels) if labels else [number % 3 for number in range(len(texts))])
    return TrainingBatch(pad([row for listed in rows for row in listed], network.pad_id), owner, given, tuple(texts))


def context_of(network: Any, near: Mapping[str, Sequence[str]] | None = None, seed: int = 1) -> ObjectiveContext:
    fit = fit_context(base=BASE, resources=FakeResources(Fake(near)))
    return ObjectiveContext(network, fit, torch.Generator().manual_seed(seed), 1, 1, lambda: NetworkClassifier(network))


def hulls_of(batch: TrainingBatch, hulls: Hulls) -> Any:
    return hulls.batch(batch.rows, batch.texts, batch.owner.tolist())


def gradients(network: nn.Module) -> list[torch.Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in network.parameters()]


def clean_gradients(network: Any, batch: TrainingBatch) -> list[torch.Tensor]:
    network.zero_grad()
    nn.functional.cross_entropy(text_logits(network, batch), batch.labels).backward()
    found = gradients(network)
    network.zero_grad()
    return found


# --- words -----------------------------------------------------------------------------------------------------------


def test_words_are_joined_by_apostrophes_and_hyphens_and_quotes_are_not_part_of_them() -> None:
    found = WORD.findall("'Great' film's well-made 3-act plot, isn’t it?")
    assert found == ["Great", "film's", "well-made", "3-act", "plot", "isn’t", "it"]


def test_a_substitute_takes_the_case_of_the_word() -> None:
    assert [like("movie", pattern) for pattern in ("film", "Film", "FILM", "I", "fILM")] == [
        "movie",
        "Movie",
        "MOVIE",
        "Movie",
        "movie",
    ]


def test_candidates_are_in_order_each_once_and_of_second_order_where_asked() -> None:
    table = Fake({"film": ("movie", "motion picture", "show"), "movie": ("film", "show", "flick"), "show": ("movie",)})
    assert list(candidates(table, "Film")) == [("Movie", False), ("Show", False)]
    assert list(candidates(table, "film", True)) == [("movie", False), ("show", False), ("flick", True)]
    assert list(candidates(table, "unknown", True)) == []


# --- the table --------------------------------------------------------------------------------------------------------


def small_table() -> Table:
    """Unit vectors at angles of 0, 10, 20, 60 and 5 degrees; neighbours by falling cosine."""
    angles = np.radians([0, 10, 20, 60, 5])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    order = np.argsort(-np.round(vectors @ vectors.T, 5), axis=1, kind="stable").astype(np.int32)
    return Table(("film", "movie", "picture", "tree", "not"), vectors, order)


def test_the_table_keeps_floor_count_order_and_leaves_stop_words_out() -> None:
    table = synonyms.NearWords(small_table(), frozenset({"not"}), floor=0.9, count=2)
    film = table.neighbours("film")
    assert [name for name, _ in film] == ["movie", "picture"]
    assert [similarity for _, similarity in film] == pytest.approx(
        [math.cos(math.radians(a)) for a in (10, 20)], abs=1e-5
    )
    assert table.neighbours("tree") == table.neighbours("not") == table.neighbours("unheard") == ()
    assert synonyms.NearWords(small_table(), frozenset({"not"}), floor=0.9, count=1).neighbours("film") == film[:1]
    with_stop = synonyms.NearWords(small_table(), frozenset(), floor=0.9, count=9)
    assert [name for name, _ in with_stop.neighbours("film")] == ["not", "movie", "picture"]


def test_a_cosine_that_equals_the_floor_to_five_decimals_counts() -> None:
    floor = round(math.cos(math.radians(20)), 5)
    table = synonyms.NearWords(small_table(), frozenset(), floor=floor, count=9)
    assert "picture" in dict(table.neighbours("film"))


def test_the_registered_table_names_everything_it_depends_on() -> None:
    model = synonyms.MODEL
    assert (model.name, model.role) == ("counterfit-synonyms", ModelRole.SYNONYMS)
    for asset in model.assets:
        assert asset.sha256 in model.revision
    for part in (f"floor:{synonyms.FLOOR}", f"count:{synonyms.COUNT}", "algorithm:1", "stop:", "epochs=20"):
        assert part in model.revision


# --- hulls over rows --------------------------------------------------------------------------------------------------


def test_vertices_are_single_tokens_and_the_word_comes_first() -> None:
    batch = batch_of(Linear(), [TEXT, "nothing here"])
    found = hulls_of(batch, Hulls(TOKENS, Fake(), 9))
    listed = [ids[:n] for ids, n in zip(found.ids.tolist(), found.valid[found.word].sum(dim=1).tolist(), strict=True)]
    assert listed == [
        ids_of("good", "great", "fun"),
        ids_of("film", "movie", "picture", "story"),
        ids_of("bad", "poor"),
        ids_of("movie", "film", "show"),
    ]
    assert batch.rows.ids[found.row, found.position].tolist() == [ids[0] for ids in listed]
    assert found.text.tolist() == [0, 0, 0, 0]
    assert found.lengths.tolist() == [9, 2]


def test_second_order_vertices_are_marked_and_the_limit_counts_the_word() -> None:
    batch = batch_of(Linear(), ["good"])
    found = hulls_of(batch, Hulls(TOKENS, Fake(), 9, second_order=True))
    assert found.ids.tolist() == [ids_of("good", "great", "fun", "excellent")]
    assert found.second.tolist() == [[False, False, False, True]]
    assert hulls_of(batch, Hulls(TOKENS, Fake(), 2)).ids.tolist() == [ids_of("good", "great")]
    assert not len(hulls_of(batch, Hulls(TOKENS, Fake(), 1)).valid)


def test_words_of_several_tokens_and_hidden_words_are_left_alone() -> None:
    near = {name: ("movie",) for name in ("flubber", "mask", "good", "cafe", "unk", "film")}
    for text in ("flubber", "[MASK]", "(flubber)", "[UNK]", "film-film", "filmic", "good\u0301s", "film_"):
        assert not Hulls(TOKENS, Fake(near), 9).of(text).hulls, text
    for text in ("film", "FILM", "(film)", "film.", "[MASK]film", "'film'", "film\u0301"):
        assert len(Hulls(TOKENS, Fake(near), 9).of(text).hulls) == 1, text


def test_template_words_stay_and_rows_of_a_text_share_the_mixtures() -> None:
    network = mvp.build(BASE, TASK._replace(max_length=32), TEMPLATES)
    batch = batch_of(network, [TEXT, "the story is good"], [0, 1])
    assert TOKENS.decode(batch.rows.ids[2]).count("film") == 2  # one in the text, one in the template
    found = hulls_of(batch, Hulls(TOKENS, Fake(), 9))
    weights = simplex(torch.randn(found.valid.shape), found.valid)
    base = network.embed(batch.rows.ids)
    mixed = found.embeddings(network, batch.rows, weights)
    changed = (mixed != base).any(dim=-1)
    assert not changed[batch.rows.text < 0].any()
    assert changed.sum(dim=1).tolist() == [4] * 3 + [1] * 3
    for rows in (range(3), range(3, 6)):
        for token in range(9):
            at = [mixed[r][batch.rows.text[r] == token] for r in rows]
            assert all(torch.equal(at[0], one) for one in at)
    assert len(found.ids) == len(found.valid) == 5  # one mixture a word, not one a row


def test_a_cut_row_keeps_the_mixtures_that_are_left() -> None:
    columns = Columns(TOKENS)
    text = f"good film film{COLUMN_SEPARATOR}bad movie"
    rows = [columns.row(text, 12), columns.row(text, 6)]
    found = Hulls(TOKENS, Fake(), 9).batch(pad(rows, TOKENS.pad_token_id), [text], [0, 0])
    placed = [(r, p, rows[r].ids[p]) for r, p in zip(found.row.tolist(), found.position.tolist(), strict=True)]
    whole = ids_of("good", "film", "film", "bad", "movie")
    assert placed == [(0, p, i) for p, i in zip((1, 2, 3, 5, 6), whole, strict=True)] + [
        (1, 1, whole[0]),
        (1, 3, whole[3]),
        (1, 4, whole[4]),
    ]


def test_a_row_that_is_not_of_the_texts_tokens_takes_no_part() -> None:
    row = Columns(TOKENS).row("good film", 12)
    forged = row._replace(ids=[*row.ids[:2], *ids_of("plot"), row.ids[3]])
    found = Hulls(TOKENS, Fake(), 9).batch(pad([forged, row], TOKENS.pad_token_id), ["good film"], [0, 0])
    assert found.row.tolist() == [1, 1]


@pytest.fixture(scope="module")
def byte_level() -> Any:
    """A cased byte-level tokenizer that knows "film", "good", "great", and after a space "movie", as one token each."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE(unk_token=None))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(["film", "good", "great"] * 3 + [" film movie good great"] * 9, trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def test_surface_forms_of_a_byte_level_vocabulary(byte_level: Any) -> None:
    columns = Columns(byte_level)
    names = ("film", "good", "great", " film", " good", " great", " movie", "movie")
    tokens = {name: columns.tokens(name) for name in names}
    assert all((len(ids) == 1) == (name != "movie") for name, ids in tokens.items())
    hulls = Hulls(byte_level, Fake({"film": ("movie",), "good": ("great",), "movie": ("film",)}), 9)

    def vertices(text: str, *spaced: bool) -> list[list[int]]:
        ids = columns.joined(columns.ids(text, spaced), 30)
        row = (ids.ids, ids.index)
        batch = RowBatch(*(torch.tensor([part]) for part in (row[0], [1] * len(row[0]), row[1])), *[torch.zeros(1)] * 2)
        found = hulls.batch(batch, [text], [0])
        assert batch.ids[found.row, found.position].tolist() == found.ids[found.mixture, 0].tolist()
        return found.ids[found.mixture].tolist()

    film, movie = tokens[" film"][0], tokens[" movie"][0]
    good, great = tokens[" good"][0], tokens[" great"][0]
    # "good" and "great" are single tokens with and without a space, and each form has its own vertices.
    bare, bare_great = tokens["good"][0], tokens["great"][0]
    assert vertices("good good") == [[bare, bare_great], [good, great]]
    assert vertices("good good", True) == [[good, great]] * 2
    assert vertices('a "good"', True) == [[bare, bare_great]]
    # "film" at the start: "movie" is no single token without a space, so the word is left alone in either form.
    assert vertices("film good film") == vertices("film good film", True) == [[good, great], [film, movie]]
    # "movie" has several tokens without a space before it; what follows is found all the same, wherever it starts.
    assert vertices("movie good\nfilm film") == [[good, great], [film, movie]]
    assert vertices("movie good\nfilm film", True) == [[good, great], [film, movie]]
    # Each column has its own form.
    pair = f"movie film{COLUMN_SEPARATOR}movie good"
    for forms in itertools.product((False, True), repeat=2):
        assert vertices(pair, *forms) == [[film, movie], [good, great]]
    assert vertices("  good <mask> film") == [[good, great], [film, movie]]


# --- mixtures ---------------------------------------------------------------------------------------------------------


def test_a_mixture_lies_in_the_hull_and_weights_vanish_on_padding() -> None:
    from scipy.optimize import nnls

    network = Linear()
    batch = batch_of(network, [TEXT, "good"])
    found = hulls_of(batch, Hulls(TOKENS, Fake(), 9))
    weights = simplex(3 * torch.randn(found.valid.shape), found.valid)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(len(weights)))
    assert (weights[~found.valid] == 0).all()
    mixed = found.embeddings(network, batch.rows, weights)
    for row, position, mixture in zip(found.row, found.position, found.mixture, strict=True):
        there = found.valid[found.word[mixture]]
        corners = network.embed(found.ids[mixture][there]).detach().double().numpy()
        system = np.vstack([corners.T, np.ones(len(corners))])
        target = np.append(mixed[row, position].detach().double().numpy(), 1.0)
        solved, rest = nnls(system, target)
        assert rest < 1e-6
        np.testing.assert_allclose(solved, weights[found.word[mixture]][there].numpy(), atol=1e-5)
    one_hot = torch.zeros_like(weights)
    one_hot[:, 0] = 1
    torch.testing.assert_close(found.embeddings(network, batch.rows, one_hot), network.embed(batch.rows.ids))


def test_the_softmax_passes_no_gradient_to_padding() -> None:
    valid = torch.tensor([[True, True, False]])
    u = torch.tensor([[0.3, -0.2, 50.0]], requires_grad=True)
    simplex(u, valid)[0, 0].backward()
    share = 1 / (1 + math.exp(-0.5))
    assert u.grad is not None
    torch.testing.assert_close(u.grad, torch.tensor([[share * (1 - share), -share * (1 - share), 0.0]]))


# --- ascc -------------------------------------------------------------------------------------------------------------


def ascc_run(network: Any, near: Any = None, seed: int = 1, **options: Any) -> ascc.AsccRun:
    return ascc.AsccRun(context_of(network, near, seed), ascc.AsccOptions(**options))


def test_ascc_without_synonyms_is_clean_training() -> None:
    network = Linear().train()
    batch = batch_of(network, [TEXT, "good story"])
    expected = clean_gradients(network, batch)
    loss = ascc_run(network, near={}).backward(batch)
    torch.testing.assert_close(gradients(network), expected, atol=1e-7, rtol=1e-5)
    assert loss == pytest.approx(
        float(nn.functional.cross_entropy(network(batch.rows), batch.labels).detach()), abs=1e-6
    )


def test_entropy_of_the_uniform_weights_is_the_logarithm_of_their_number() -> None:
    valid = torch.tensor([[True, True, True, False], [True] * 4, [True, False, False, False]])
    w = torch.zeros(3, 4, requires_grad=True)
    found = ascc.entropies(w, valid)
    assert found.tolist() == pytest.approx([math.log(3), math.log(4), 0.0], abs=1e-6)
    sharp = torch.tensor([[90.0, 0, 0, 0]], requires_grad=True)
    ascc.entropies(sharp, valid[1:2]).sum().backward()
    assert sharp.grad is not None
    assert torch.isfinite(sharp.grad).all()
    p = torch.tensor([0.5, 0.25, 0.25])
    logits = torch.cat([p.log(), torch.tensor([7.0])])[None]
    assert float(ascc.entropies(logits, valid[:1])) == pytest.approx(1.5 * math.log(2), abs=1e-6)


def test_a_heavy_entropy_term_pushes_the_weights_to_a_vertex() -> None:
    network = Linear()
    batch = batch_of(network, [TEXT])
    found = hulls_of(batch, Hulls(TOKENS, Fake(), 9))
    for alpha, sharp in ((1e4, True), (0.0, False)):
        options = ascc.AsccOptions(alpha=alpha, steps=30 if sharp else 0)
        weights = ascc.worst_weights(network, batch, found, options, torch.Generator().manual_seed(3))
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(len(weights)))
        assert (weights[~found.valid] == 0).all()
        assert bool((weights.max(dim=-1).values > 0.99).all()) == sharp


def test_the_first_inner_step_is_adams() -> None:
    """Adam's first step is the learning rate times the sign of the gradient; checked against differences."""
    network = Linear(scale=2.0).double()
    batch = batch_of(network, ["a film", "bad good story"])
    found = hulls_of(batch, Hulls(TOKENS, Fake(), 9))
    options = ascc.AsccOptions(alpha=0.7, steps=0, learning_rate=0.25)

    def generator() -> torch.Generator:
        return torch.Generator().manual_seed(8)

    w = torch.randn(found.valid.shape, generator=generator()) * (2 / (3 * 4)) ** 0.5  # 3 tokens, 4 vertices
    torch.testing.assert_close(ascc.worst_weights(network, batch, found, options, generator()), simplex(w, found.valid))

    def objective(values: torch.Tensor) -> float:
        omega = simplex(values.double(), found.valid)
        p = network(batch.rows).softmax(-1)
        q = network(batch.rows, found.embeddings(network, batch.rows, omega)).softmax(-1)
        entropy = -(omega * torch.where(found.valid, omega, 1.0).log()).sum() / 5  # 5 tokens in the batch
        return ((p * (p / q).log()).sum() - 0.7 * entropy).item()

    slope = torch.zeros_like(w)
    w = w.double()
    for place in itertools.product(*map(range, w.shape)):
        moved = w.clone()
        moved[place] += 1e-3
        back = w.clone()
        back[place] -= 1e-3
        slope[place] = objective(moved) - objective(back)
    assert (slope[found.valid].abs() > 1e-6).all()
    after = ascc.worst_weights(network, batch, found, options.model_copy(update={"steps": 1}), generator())
    expected = simplex(w + 0.25 * slope.sign(), found.valid).float()
    torch.testing.assert_close(after, expected, atol=1e-3, rtol=0)


def test_the_inner_problem_raises_the_divergence_and_leaves_no_trace() -> None:
    network = Linear(scale=2.0, dropout=0.5).train()
    batch = batch_of(network, [TEXT, "a story , great fun"])
    found = hulls_of(batch, Hulls(TOKENS, Fake(), 9))

    def reached(steps: int, seed: int = 3) -> tuple[float, torch.Tensor]:
        options = ascc.AsccOptions(alpha=0.0, steps=steps)
        weights = ascc.worst_weights(network, batch, found, options, torch.Generator().manual_seed(seed))
        assert network.training
        assert all(p.grad is None for p in network.parameters())
        assert not weights.requires_grad
        network.eval()
        with torch.no_grad():
            other = network(batch.rows, found.embeddings(network, batch.rows, weights))
            value = float(ascc.divergence(network(batch.rows), other, "sum"))
        network.train()
        return value, weights

    start, end = reached(0), reached(10)
    assert end[0] > 1.5 * start[0] > 0
    torch.manual_seed(99)  # neither dropout nor torch's global stream has a part in it
    assert torch.equal(reached(10)[1], end[1])
    assert not torch.equal(reached(10, seed=4)[1], end[1])


@pytest.mark.parametrize("adversarial_weight", [0.0, 0.7])
def test_the_outer_loss_and_its_gradient_through_both_sides(adversarial_weight: float) -> None:
    network = Templated().train()
    batch = batch_of(network, [TEXT, "a story , great fun"])
    options = ascc.AsccOptions(steps=2, beta=3.0, adversarial_weight=adversarial_weight)
    found = hulls_of(batch, Hulls(TOKENS, Fake(), 11))
    weights = ascc.worst_weights(network, batch, found, options, torch.Generator().manual_seed(1))
    z = pool_rows(network(batch.rows), batch.owner, 2)
    other = pool_rows(network(batch.rows, found.embeddings(network, batch.rows, weights)), batch.owner, 2)
    p, q = z.softmax(-1), other.softmax(-1)
    picked = torch.arange(2), batch.labels
    kl = (p * (p.log() - q.log())).sum() / 2
    loss = -p[picked].log().mean() + 3.0 * kl - adversarial_weight * q[picked].log().mean()
    expected = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
    returned = ascc.AsccRun(context_of(network), options).backward(batch)
    assert returned == pytest.approx(loss.item(), abs=1e-6)
    torch.testing.assert_close(gradients(network), list(expected), atol=1e-6, rtol=1e-4)
    # Detaching the clean side would give another gradient: the test can tell.
    one_sided = (p.detach() * (p.detach().log() - q.log())).sum() / 2
    grads = torch.autograd.grad(3.0 * (kl - one_sided), network.out.weight)
    assert float(grads[0].abs().max()) > 1e-4


def test_the_entropy_is_averaged_over_the_batch_or_over_each_text() -> None:
    batch = batch_of(Linear(), [TEXT, "good"])
    found = hulls_of(batch, Hulls(TOKENS, Fake(), 9))
    entropy = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])  # four words of nine tokens, one of one
    assert float(ascc._penalty(entropy, found, "batch")) == pytest.approx(15 / 10)
    assert float(ascc._penalty(entropy, found, "text")) == pytest.approx(10 / 9 + 5)


def test_ascc_trains_through_the_loop_and_names_its_table() -> None:
    options = ascc.AsccOptions(synonyms="mine", steps=2)
    assert ascc.ASCC.uses(options).models == ("mine",)
    assert ascc.ASCC.needs == {Capability.GRADIENTS, Capability.EMBEDDINGS}
    resources = FakeResources(Fake({"ugly": ("bad",), "sweet": ("lovely",), "film": ("movie",)}))

    def once() -> Any:
        torch.manual_seed(0)
        network = mlp.build(tiny_random.load(None), TASK, mlp.MLP.options())  # type: ignore[arg-type]

        def start(context: ObjectiveContext) -> ObjectiveRun:
            fit = context.fit._replace(base=BASE, resources=resources)
            return begin(ascc.ASCC, options)(context._replace(fit=fit))

        settings = Training(epochs=1, batch_size=8)
        train_on(network, start, toy(24, 1), toy(8, 2), settings, seed=3)
        return network.state_dict()

    first, second = once(), once()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert resources.asked == {"mine"}


# --- dne --------------------------------------------------------------------------------------------------------------


def dne_run(network: Any, near: Any = None, inner: Any = None, seed: int = 1, **options: Any) -> Any:
    return dne.begin(context_of(network, near, seed), inner or ObjectiveRun(), dne.DneOptions(**options))


def dne_around(network: Any, near: Any = None, seed: int = 0, **options: Any) -> Any:
    fit = fit_context(base=BASE, resources=FakeResources(Fake(near)), seed=seed)
    return dne.wrap(WrapContext(NetworkClassifier(network), fit, None), dne.DneOptions(**options))


def many(words: int = 4000) -> Any:
    """Hulls of one word with three vertices, repeated; the last vertex is of second order."""
    near = {"good": ("fun", "great"), "great": (), "fun": ("lovely",)}
    batch = batch_of(Linear(), ["good"])
    one = hulls_of(batch, Hulls(TOKENS, Fake(near), 9, second_order=True))
    assert one.second.tolist() == [[False, False, False, True]]
    return one._replace(
        valid=one.valid.repeat(words, 1), second=one.second.repeat(words, 1), text=torch.zeros(words, dtype=torch.long)
    )


def shares_drawn(hulls: Any, alpha: float, decay: float, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return simplex(dne.drawn(hulls, alpha, decay, lambda text: rng), hulls.valid)


def test_drawn_weights_have_the_dirichlet_mean_and_variance() -> None:
    hulls = many()
    shares = shares_drawn(hulls, alpha=2.0, decay=0.5)
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(len(shares)))
    parameters = np.array([2.0, 2.0, 2.0, 1.0])
    mean = parameters / 7
    variance = mean * (1 - mean) / 8
    error = np.sqrt(variance / len(shares))
    assert (np.abs(shares.mean(dim=0).numpy() - mean) < 4 * error).all()
    np.testing.assert_allclose(shares.var(dim=0).numpy(), variance, rtol=0.15)


def test_a_small_alpha_draws_vertices_and_a_large_one_the_centroid() -> None:
    hulls = many(200)
    sharp = shares_drawn(hulls, alpha=1e-4, decay=1.0)
    assert (sharp.max(dim=-1).values > 0.999).float().mean() > 0.98
    assert sharp.argmax(dim=-1).unique().tolist() == [0, 1, 2, 3]
    flat = shares_drawn(hulls, alpha=1e6, decay=1.0)
    torch.testing.assert_close(flat, torch.full_like(flat, 0.25), atol=5e-3, rtol=0)


def test_a_move_has_the_length_of_the_step_and_leaves_padding_empty() -> None:
    u = torch.tensor([[0.0, 1.0, 5.0], [0.0, 0.0, 0.0]])
    gradient = torch.tensor([[0.3, -0.4, 0.0], [0.0, 0.0, 0.0]])
    moved = dne.moved(u, gradient, 10.0)
    torch.testing.assert_close(moved, torch.tensor([[6.0, -7.0, 5.0], [0.0, 0.0, 0.0]]), atol=1e-4, rtol=0)
    assert simplex(moved, torch.tensor([[True, True, False]] * 2))[:, 2].tolist() == [0.0, 0.0]
    assert dne.moved(u, None, 10.0) is u


@pytest.mark.parametrize(("average", "times"), [(True, 2.0), (False, 4.0)])
def test_dne_without_neighbours_is_clean_training_up_to_the_weight_of_the_loss(average: bool, times: float) -> None:
    network = Linear().train()
    batch = batch_of(network, [TEXT, "good story"])
    expected = clean_gradients(network, batch)
    loss = dne_run(network, near={}, average=average).backward(batch)
    torch.testing.assert_close(gradients(network), [times * g for g in expected], atol=1e-6, rtol=1e-5)
    assert loss == pytest.approx(
        times * nn.functional.cross_entropy(network(batch.rows), batch.labels).item(), abs=1e-5
    )


def test_one_update_of_dne_against_the_formula() -> None:
    """A text of one word with two vertices: the weights of the moves are known in closed form from the gradient."""
    network = Templated(scale=1.5).train()
    batch = batch_of(network, ["bad"], [2])
    options = dne.DneOptions(steps=2, step=1.5)
    seed = int(torch.randint(2**62, (1,), generator=torch.Generator().manual_seed(1)))
    c = np.random.default_rng(seed).dirichlet([1.0, 1.0])
    u = torch.tensor(np.log(c + 1e-6), dtype=torch.float32)
    corners = ids_of("bad", "poor")
    total = torch.zeros(())
    for weight in (1.0, 0.5, 0.5):
        e = network.embed(batch.rows.ids)
        share = u.softmax(-1)
        point = share @ network.embed(torch.tensor(corners))
        at = batch.rows.text == 0
        e = torch.where(at[:, :, None], point, e)
        logits = network(batch.rows, e).mean(dim=0, keepdim=True)
        loss = weight * nn.functional.cross_entropy(logits, batch.labels)
        total = total + loss
        # dl/du_k = c_k (g . Emb_k - g . point), with g = dl/d point
        (g,) = torch.autograd.grad(loss, point, retain_graph=True)
        slope = share.detach() * ((network.embed(torch.tensor(corners)) - point) @ g).detach()
        u = u + 1.5 * slope / (slope.norm() + 1e-6)
    expected = torch.autograd.grad(total, list(network.parameters()))
    returned = dne.DneRun(context_of(network), ObjectiveRun(), Hulls(TOKENS, Fake(), 9), options).backward(batch)
    assert returned == pytest.approx(total.item(), abs=1e-5)
    torch.testing.assert_close(gradients(network), list(expected), atol=1e-5, rtol=1e-4)


def test_moves_go_against_the_model() -> None:
    network = Linear(scale=2.0).train()
    batch = batch_of(network, ["a bad film", "good movie"], [0, 1])

    def loss(steps: int) -> float:
        network.zero_grad()
        return dne_run(network, steps=steps).backward(batch)

    drawn, one, two = loss(0), loss(1), loss(2)
    assert one - drawn > drawn  # the loss after the move is above that at the draw
    assert two > one


def test_dne_keeps_the_texts_and_parameters_of_the_objective() -> None:
    class Other(ObjectiveRun):
        extra = nn.Parameter(torch.zeros(2))

        def parameters(self) -> Any:
            return (self.extra,)

        def examples(self, epoch: int, train: Sequence[Example]) -> Sequence[Example]:
            return train[:1]

    run = dne_run(Linear(), inner=Other())
    assert list(run.parameters()) == [Other.extra]
    assert len(run.examples(0, toy(4, 1))) == 1


def test_draws_are_weighted_by_their_confidence() -> None:
    logits = np.log(np.array([[[0.9, 0.1]], [[0.4, 0.6]]], dtype=np.float32))
    weights = np.array([0.512, 0.008]) / 0.52
    np.testing.assert_allclose(weights, [0.985, 0.015], atol=5e-4)
    found = np.exp(dne.combined(logits)[0])
    np.testing.assert_allclose(found, [0.892, 0.108], atol=5e-4)
    np.testing.assert_allclose(found, weights @ np.array([[0.9, 0.1], [0.4, 0.6]]), rtol=1e-5)
    one = np.random.default_rng(0).normal(size=(1, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(dne.combined(one)[0], torch.tensor(one[0, 0]).log_softmax(-1).numpy(), atol=1e-6)
    assert dne.combined(np.zeros((3, 2, 4), np.float32)) == pytest.approx(math.log(1 / 4))


def test_three_classes_weigh_every_gap_to_the_highest() -> None:
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
    w = np.array([0.3**3 + 0.5**3, 0.3**3 + 0.2**3])
    found = np.exp(dne.combined(np.log(p)[:, None].astype(np.float32))[0])
    np.testing.assert_allclose(found, w / w.sum() @ p, rtol=1e-5)


def test_a_text_without_neighbours_is_predicted_as_by_the_network() -> None:
    network = mlp.build(BASE, TASK, mlp.MLP.options())
    texts = ["the plot", "a tired city scene , again"]
    plain = torch.tensor(NetworkClassifier(network).logits(texts)).log_softmax(-1).numpy()
    classifier = dne_around(network, draws=3)
    np.testing.assert_allclose(classifier.logits(texts), plain, atol=1e-5)
    assert np.array_equal(classifier.logits(texts), classifier.redrawn(7).logits(texts))
    assert classifier.forwards_per_prediction == 3
    assert classifier.logits([]).shape == (0, 2)


@pytest.mark.parametrize("head", ["mlp", "mvp"])
def test_draws_follow_from_seed_draw_and_text_alone(head: str) -> None:
    build: Callable[[], Any] = {
        "mlp": lambda: mlp.build(BASE, TASK, mlp.MLP.options()),
        "mvp": lambda: mvp.build(BASE, TASK, TEMPLATES),
    }[head]
    network = build()
    texts = [TEXT, "good film", TEXT.replace("bad", "great")]
    classifier = dne_around(network, seed=4, draws=2)
    found = classifier.logits(texts)
    assert np.array_equal(found, dne_around(network, seed=4, draws=2).logits(texts))
    np.testing.assert_allclose(np.concatenate([classifier.logits([t]) for t in texts[::-1]])[::-1], found, atol=1e-5)
    other = classifier.redrawn(1)
    assert np.abs(other.logits(texts) - found).max() > 1e-5
    assert np.array_equal(other.redrawn(0).logits(texts), found)
    assert np.abs(dne_around(network, seed=5, draws=2).logits(texts) - found).max() > 1e-5
    assert classifier.forwards_per_prediction == 2 * (1 if head == "mlp" else len(network.rows("a")))


def test_one_draw_is_the_network_at_a_point_of_the_hull() -> None:
    network = Linear()
    text = "bad"
    classifier = dne_around(network, seed=2, draws=1)
    found = classifier.logits([text])[0]
    c = np.random.default_rng(dne.stable_seed("dne", 2, 0, text, 0)).dirichlet([1.0, 1.0])
    batch = batch_of(network, [text])
    with torch.no_grad():
        embeddings = network.embed(batch.rows.ids)
        corners = network.embed(torch.tensor(ids_of("bad", "poor")))
        embeddings[0, 1] = torch.tensor(c, dtype=torch.float32) @ corners
        expected = network(batch.rows, embeddings).log_softmax(-1)[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


@pytest.mark.parametrize(("where", "training", "test"), [("never", 2, 2), ("training", 3, 2), ("always", 3, 3)])
def test_where_second_order_takes_part(where: str, training: int, test: int) -> None:
    near = {"good": ("great",), "great": ("excellent",)}
    network = Linear()
    run = dne_run(network, near=near, second_order=where)
    classifier = dne_around(network, near=near, second_order=where)
    for hulls, vertices in ((run._hulls, training), (classifier.hulls, test)):
        assert hulls_of(batch_of(network, ["good"]), hulls).valid.shape == (1, vertices)


def test_dne_declares_its_place_and_refuses_another_wrapper_inside() -> None:
    assert dne.DNE.stage == Stage.EMBEDDINGS
    assert dne.DNE.randomised(dne.DneOptions())
    assert dne.DNE.needs == {Capability.EMBEDDINGS, Capability.GRADIENTS}
    assert "embeddings" in dne.DNE.changes & ascc.ASCC.changes
    assert dne.DNE.uses(dne.DneOptions(synonyms="mine")).models == ("mine",)
    with pytest.raises(NotApplicable):
        dne.wrap(WrapContext(Scored(lambda text: (0.0, 1.0)), fit_context(base=BASE), None), dne.DneOptions())


def test_dne_trains_through_the_loop() -> None:
    resources = FakeResources(Fake({"ugly": ("bad",), "sweet": ("lovely",), "film": ("movie",)}))

    def once() -> Any:
        torch.manual_seed(0)
        network = mlp.build(tiny_random.load(None), TASK, mlp.MLP.options())  # type: ignore[arg-type]

        def start(context: ObjectiveContext) -> ObjectiveRun:
            given = context._replace(fit=context.fit._replace(base=BASE, resources=resources))
            return dne.begin(given, begin(clean.CLEAN)(given), dne.DneOptions())

        train_on(network, start, toy(16, 1), toy(8, 2), Training(epochs=1, batch_size=8), seed=3)
        return network.state_dict()

    first, second = once(), once()
    assert all(torch.equal(first[name], second[name]) for name in first)


# --- safer ------------------------------------------------------------------------------------------------------------


class Scored:
    """A classifier given by a function of the text; what it was asked is kept."""

    forwards_per_prediction = 2

    def __init__(self, scores: Callable[[str], Sequence[float]]) -> None:
        self.scores, self.asked = scores, []  # type: ignore[var-annotated]

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return np.array([self.scores(text) for text in texts], dtype=np.float32).reshape(len(texts), -1 if texts else 2)


def safer_around(inner: Any, near: Any = None, seed: int = 0, **options: Any) -> Any:
    fit = fit_context(base=BASE, resources=FakeResources(Fake(near)), seed=seed)
    return safer.wrap(WrapContext(inner, fit, None), safer.SaferOptions(**options))


def test_a_copy_keeps_everything_but_known_words() -> None:
    text = f"  A GOOD film's\t'Film', [MASK] [UNK]{COLUMN_SEPARATOR}mask-film (bad)!\n"
    substitution = safer.substitution(
        fit_context(base=BASE, resources=FakeResources(Fake())), safer.SaferOptions(neighbours=9)
    )
    seen = {substitution.drawn(text, random.Random(seed)) for seed in range(200)}
    first = ("GOOD", "GREAT", "FUN", "FLUBBER")
    second = ("Film", "Movie", "Picture", "Story")
    third = ("bad", "poor")
    expected = {
        f"  A {a} film's\t'{b}', [MASK] [UNK]{COLUMN_SEPARATOR}mask-film ({c})!\n"
        for a, b, c in itertools.product(first, second, third)
    }
    assert seen == expected
    assert substitution.words(text) == ["A", "GOOD", "film's", "Film", "mask-film", "bad"]


def test_substitutes_are_uniform() -> None:
    substitution = safer.Substitution(Fake(), 99)
    n = 6000
    counts = Counter(substitution.drawn("film", random.Random(seed)) for seed in range(n))
    assert set(counts) == set(substitution.smoothing_set("film")) == {"film", *NEAR["film"]}
    for count in counts.values():
        assert abs(count / n - 1 / 4) < 3 * math.sqrt(1 / 4 * 3 / 4 / n)
    assert safer.Substitution(Fake(), 2).smoothing_set("Film") == ("Film", "Movie", "Picture")


def test_words_of_a_text_are_drawn_independently_and_anew_in_every_epoch() -> None:
    context = fit_context(base=BASE, resources=FakeResources(Fake()))
    rng = random.Random(0)
    made = [safer.edit("film bad", rng, context, safer.SaferOptions()) for _ in range(4000)]
    counts = Counter(made)
    assert len(counts) == 8
    for count in counts.values():
        assert abs(count / 4000 - 1 / 8) < 4 * math.sqrt(1 / 8 * 7 / 8 / 4000)


def test_without_synonyms_safer_is_the_classifier_inside() -> None:
    inner = Scored(lambda text: (1.0, 3.0, 2.0))
    classifier = safer_around(inner, near={}, copies=7)
    assert classifier.logits([TEXT]).tolist() == [[0.0, 1.0, 0.0]]
    assert inner.asked == [TEXT]  # equal copies are asked once
    mean = safer_around(inner, near={}, copies=7, pool="mean").logits([TEXT])[0]
    np.testing.assert_allclose(mean, torch.tensor([1.0, 3.0, 2.0]).log_softmax(-1).numpy(), atol=1e-6)
    assert classifier.forwards_per_prediction == 14
    assert safer_around(inner).logits([]).shape == (0, 2)


def test_scores_are_the_pooled_copies() -> None:
    logit = {"bad": (0.0, 1.0), "poor": (2.0, 0.0)}
    classifier = safer_around(Scored(lambda text: logit[text]), seed=3, copies=50)
    copies = classifier.copies("bad")
    share = copies.count("poor") / 50
    assert 0 < share < 1
    assert classifier.logits(["bad"])[0].tolist() == pytest.approx([share, 1 - share])
    mean = safer_around(Scored(lambda text: logit[text]), seed=3, copies=50, pool="mean").logits(["bad"])[0]
    p = {word: torch.tensor(z).softmax(-1).numpy() for word, z in logit.items()}
    np.testing.assert_allclose(np.exp(mean), share * p["poor"] + (1 - share) * p["bad"], rtol=1e-5)


def test_copies_follow_from_seed_draw_and_text_alone() -> None:
    inner = Scored(lambda text: (float(len(text)), 0.0))
    classifier = safer_around(inner, seed=1, copies=20)
    copies = classifier.copies(TEXT)
    assert copies == safer_around(inner, seed=1, copies=20).copies(TEXT)
    assert copies == classifier.redrawn(5).redrawn(0).copies(TEXT)
    assert copies[:5] == safer_around(inner, seed=1, copies=5).copies(TEXT)
    for other in (classifier.redrawn(1), safer_around(inner, seed=2, copies=20)):
        assert other.copies(TEXT) != copies
    both = classifier.logits([TEXT, "good"])
    assert np.array_equal(both, np.concatenate([classifier.logits([TEXT]), classifier.logits(["good"])]))


def test_redrawing_reaches_the_classifier_inside() -> None:
    class Drawn(Scored):
        def __init__(self, draw: int = 0) -> None:
            super().__init__(lambda text: (float(draw), 0.5))

        def redrawn(self, draw: int) -> Drawn:
            return Drawn(draw)

    classifier = safer_around(Drawn(), copies=3)
    assert classifier.logits(["a"]).tolist() == [[0.0, 1.0]]
    assert classifier.redrawn(1).logits(["a"]).tolist() == [[1.0, 0.0]]


def test_safer_declares_its_place() -> None:
    assert safer.SAFER.stage == Stage.COPIES
    assert safer.SAFER.randomised(safer.SaferOptions())
    assert safer.SAFER.uses(safer.SaferOptions(synonyms="mine")).models == ("mine",)
    assert safer.SAFER.needs == frozenset()


# --- its certificate --------------------------------------------------------------------------------------------------


def test_overlap_of_smoothing_sets() -> None:
    assert safer_certificate.overlap("abcd", "cdef") == 0.5
    assert safer_certificate.overlap("a", "a") == 1.0
    assert safer_certificate.overlap("a", "abc") == safer_certificate.overlap("abc", "a") == pytest.approx(1 / 3)
    assert safer_certificate.overlap("ab", "cd") == 0.0


def test_the_shift_is_over_the_words_of_least_overlap() -> None:
    sets = {"x": "x" + "abcdefghi", "y": "y" + "abcdefghi", "v": "vmnop", "w": "wmnop", "z": "z"}
    allowed = {"x": "y", "v": "w", "z": ""}
    found = [safer_certificate.least_overlap(word, sets.__getitem__, allowed.__getitem__) for word in "xvz"]
    assert found == pytest.approx([0.9, 0.8, 1.0])

    def shift(budget: int | None) -> float:
        return safer_certificate.shift("xvz", sets.__getitem__, allowed.__getitem__, budget)

    assert shift(None) == pytest.approx(0.28)
    assert shift(0) == 0.0
    assert [shift(1), shift(2)] == pytest.approx([0.2, 0.28])
    assert safer_certificate.is_certified(0.781, 0.219, 0.28)
    assert not safer_certificate.is_certified(0.779, 0.221, 0.28)
    assert safer_certificate.shift(["a", "b"], lambda word: (word,)) == 0.0


def exact(scores: Callable[[tuple[str, ...]], int], words: Sequence[str], sets: Mapping[str, Sequence[str]]) -> Any:
    """Probability of each of two classes over all substitutions."""
    votes = Counter(scores(copy) for copy in itertools.product(*(sets[word] for word in words)))
    return [votes[label] / sum(votes.values()) for label in (0, 1)]


def test_certified_means_that_no_substitution_flips_by_brute_force() -> None:
    rng = random.Random(7)
    certified = flipped = 0
    for trial in range(300):
        vocabulary = "abcdefghi"
        sets: dict[str, tuple[str, ...]] = {}
        for word in vocabulary:  # sets of unequal sizes, not symmetric
            sets[word] = (word, *rng.sample([w for w in vocabulary if w != word], rng.choice((0, 0, 1, 2, 3))))
        words = [rng.choice(vocabulary) for _ in range(3)]
        bias = rng.random()
        table = {copy: int(rng.random() < bias) for copy in itertools.product(vocabulary, repeat=3)}
        allowed = {word: sets[word][1:] for word in sets}
        budget = rng.choice((1, 3, None))
        clean_p = exact(table.__getitem__, words, sets)
        top = max((0, 1), key=clean_p.__getitem__)
        flips = False
        for changed in itertools.product(*((word, *allowed[word]) for word in words)):
            if budget is None or sum(a != b for a, b in zip(words, changed, strict=True)) <= budget:
                p = exact(table.__getitem__, changed, sets)
                flips |= p[1 - top] >= p[top]
        moved = safer_certificate.shift(words, sets.__getitem__, allowed.__getitem__, budget)
        sure = safer_certificate.is_certified(clean_p[top], clean_p[1 - top], moved)
        assert not (sure and flips), trial
        certified += sure
        flipped += flips
    assert certified > 20
    assert flipped > 20


def test_the_published_share_would_certify_a_text_that_flips() -> None:
    """|P_x n P_x'| / |P_x| is 1 where P_x' holds P_x and more, and says nothing of what more there is."""
    sets = {"x": ("x", "y"), "y": ("y", "x", "u", "v", "w")}
    label = {("x",): 1, ("y",): 1, ("u",): 0, ("v",): 0, ("w",): 0}
    assert exact(label.__getitem__, "x", sets) == [0.0, 1.0]
    assert exact(label.__getitem__, "y", sets) == [0.6, 0.4]  # the class flips
    published = len({*sets["x"]} & {*sets["y"]}) / len(sets["x"])
    assert safer_certificate.is_certified(1.0, 0.0, 1 - published)
    moved = safer_certificate.shift("x", sets.__getitem__)
    assert moved == pytest.approx(0.6)
    assert not safer_certificate.is_certified(1.0, 0.0, moved)


def test_the_certificate_of_a_text() -> None:
    substitution = safer.Substitution(Fake({"bad": ("poor",), "poor": ("bad",), "film": ("movie",)}), 99)
    steady = Scored(lambda text: (1.0, 0.0) if "movie" in text else (0.0, 1.0))
    # bad/poor have the same set, so q = 1; film becomes movie, whose set is itself alone, so q = 1/2.
    assert safer_certificate.certify(steady, "bad", substitution, 0, guess=10, draws=100) == (
        1,
        True,
        pytest.approx(0.05 ** (1 / 100)),
        0.0,
    )
    found = safer_certificate.certify(steady, "bad film", substitution, 0, guess=20, draws=300)
    assert found.shift == pytest.approx(0.5)
    assert not found.certified
    kept = safer_certificate.certify(steady, "bad film", substitution, 0, allowed=lambda word: (), draws=100)
    assert kept.shift == 0.0
    assert len(steady.asked) == 110 + 320 + 200


def test_the_certificate_refuses_what_it_does_not_cover() -> None:
    substitution = safer.Substitution(Fake(), 99)
    inner = Scored(lambda text: (0.0, 1.0))
    with pytest.raises(BadOptions, match="randomised"):
        safer_certificate.certify(safer_around(inner), "a", substitution, 0)
    with pytest.raises(BadOptions, match="draws"):
        safer_certificate.certify(inner, "a", substitution, 0, draws=0)


# --- with the real table ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_real_table() -> None:
    cache = pytest.importorskip("benchmark.assets.cache")
    store = pytest.importorskip("benchmark.assets.store")
    from benchmark.registry import load_registry
    from benchmark.resources import BenchResources
    from benchmark_plugins.attacks.stopwords import stop_words

    resources = BenchResources(load_registry(), store.AssetStore(cache.cache_root()))
    try:
        table = synonyms.load(resources)
    except (AssetMissing, UnknownName) as problem:
        pytest.skip(f"the archives are not in BENCH_CACHE: {problem}")
    film = table.neighbours("film")
    assert dict(film).keys() >= {"movie", "cinema"}
    assert [s for _, s in film] == sorted((s for _, s in film), reverse=True)
    words = list(table._rows)[:3000]
    lists = {word: table.neighbours(word) for word in words}
    stops = set(stop_words())
    for word, near in lists.items():
        names = [name for name, _ in near]
        assert len(names) <= synonyms.COUNT
        assert word not in names
        assert len(set(names)) == len(names)
        assert all(synonyms.FLOOR <= similarity <= 1.0 for _, similarity in near)
        assert not stops & set(names)
        assert not (word in stops and names)
    everything = [len(table.neighbours(word)) for word in table._rows]
    assert 1.5 < sum(everything) / len(everything) < 2.5  # near the published lists' 2.18
    hulls = Hulls(TOKENS, table, 11)
    assert hulls.of("a brilliant film , and a dull story").hulls
    assert safer.Substitution(table, 99).smoothing_set("Film")[:2] == ("Film", film[0][0].capitalize())
