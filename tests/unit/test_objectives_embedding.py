"""Objectives that perturb word embeddings, against closed forms, loops written out by hand, and properties.

``Mean`` is linear in the embeddings, so that every perturbation is known; the tiny random model stands for real ones.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from fitting import TASK, begin, fit_context, toy, train_on
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn
from torch.nn.functional import cross_entropy

from benchmark.api import NoOptions, ObjectiveContext, Row, RowBatch, TrainingBatch, text_logits
from benchmark.api import pad_rows as pad
from benchmark.fit.classifier import NetworkClassifier
from benchmark.suite import Training
from benchmark_plugins.defenses.heads import mlp, mvp
from benchmark_plugins.defenses.objectives import clean, freelb, infobert, pgd, tavat
from benchmark_plugins.defenses.objectives.perturbation import Passes, Region, ascend, lengths, project
from benchmark_plugins.models import tiny_random

SCOPES = ("row", "nonpad", "text", "text-tied")
EMBEDDING = [pgd.PGD, freelb.FREELB, freelb.FREELB_PLUS, tavat.TAVAT, infobert.INFOBERT]


class Mean(nn.Module):
    """Scores W mean_j(E_j) over the attended positions; with ``width`` W mean_j(tanh(V E_j))."""

    pad_id = 0
    num_layers = 1

    def __init__(self, dimensions: int = 4, classes: int = 2, width: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.words = nn.Embedding(30, dimensions)
        self.out = nn.Linear(width or dimensions, classes)
        self.hidden = nn.Linear(dimensions, width) if width else None
        self.dropout = nn.Dropout(dropout)
        self.seen: list[torch.Tensor] = []
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        return self.words(ids)

    def forward(self, rows: RowBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        embeddings = self.embed(rows.ids) if embeddings is None else embeddings
        self.seen.append((embeddings - self.embed(rows.ids)).detach())
        kept = rows.attention[:, :, None].to(embeddings.dtype)
        states = self.dropout(embeddings)
        states = states if self.hidden is None else self.hidden(states).tanh()
        return self.out((states * kept).sum(dim=1) / kept.sum(dim=1))


def batch_of(rows: Sequence[Row], labels: Sequence[int], owner: Sequence[int] | None = None) -> TrainingBatch:
    owner = list(range(len(rows))) if owner is None else list(owner)
    return TrainingBatch(pad(rows, 0), torch.tensor(owner), torch.tensor(list(labels)))


def wider(batch: TrainingBatch, more: int) -> TrainingBatch:
    """The same rows with ``more`` further columns of padding."""
    filler = {"text": -1}
    made = {
        name: tensor if name == "slot" else nn.functional.pad(tensor, (0, more), value=filler.get(name, 0))
        for name, tensor in batch.rows._asdict().items()
    }
    return batch._replace(rows=RowBatch(**made))


PLAIN = batch_of([Row((1, 5, 6, 7, 2), (-1, 0, 1, 2, -1)), Row((1, 8, 2), (-1, 0, -1))], [0, 1])
PROMPTED = batch_of(
    [
        Row((1, 20, 21, 5, 6, 7, 2), (-1, -1, -1, 0, 1, 2, -1), slot=2),
        Row((1, 5, 6, 22, 21, 2), (-1, 0, 1, -1, -1, -1), slot=4),
        Row((1, 20, 21, 8, 2), (-1, -1, -1, 0, -1), slot=2),
        Row((1, 8, 22, 21, 2), (-1, 0, -1, -1, -1), slot=3),
    ],
    [0, 1],
    [0, 0, 1, 1],
)
"""Two texts in a front and an appended template; the second row lost a token to the cut."""


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def point(network: Any, batch: TrainingBatch, seed: int = 7, **options: Any) -> tuple[Region, torch.Tensor]:
    """The region and delta_K of ``pgd``."""
    chosen = pgd.PgdOptions(**options)
    region = Region(batch, chosen.scope)
    return region, pgd.worst_point(network, batch, region, chosen, seeded(seed), Passes(network, chosen.dropout))


def gradients(network: Any) -> dict[str, torch.Tensor]:
    """The gradients that stand in the network, which are then cleared; parameters without one are left out."""
    found = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad(set_to_none=True)
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], factor: float = 1, **tolerance: float) -> bool:
    assert one.keys() == other.keys()
    return all(torch.allclose(one[name], factor * other[name], **tolerance) for name in one)


def update(objective: Any, network: Any, batch: TrainingBatch, seed: int = 7, **options: Any) -> float:
    return begin(objective, objective.options(**options))(context(network, seed)).backward(batch)


def context(network: Any, seed: int = 7) -> ObjectiveContext:
    return ObjectiveContext(network, fit_context(), seeded(seed), 1, 1, lambda: NetworkClassifier(network))


@functools.cache
def original(head: str) -> Any:
    torch.manual_seed(1)
    base = tiny_random.load(None)  # type: ignore[arg-type]
    if head == "mlp":
        return mlp.build(base, TASK, NoOptions())
    texts = ("{text} it was [MASK] .", "a [MASK] movie : {text}")
    return mvp.build(base, TASK, mvp.MvpOptions(template_texts=texts))


def tiny(head: str = "mlp") -> Any:
    """A fresh copy of the tiny random model under that head, in training mode."""
    return copy.deepcopy(original(head)).train()


def tiny_batch(network: Any) -> TrainingBatch:
    texts = ("a warm and funny film", "dull", "the plot is thin and the acting is terrible and slow and long")
    listed = [network.rows(text) for text in texts]
    owner = [text for text, rows in enumerate(listed) for _ in rows]
    rows = pad([row for rows in listed for row in rows], network.pad_id)
    return TrainingBatch(rows, torch.tensor(owner), torch.tensor([1, 0, 0]), texts)


# ---- where a perturbation may be


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_is_the_positions_that_its_name_says(scope: Any) -> None:
    region = Region(PROMPTED, scope)
    rows = PROMPTED.rows
    expected = {"row": torch.ones_like(rows.ids, dtype=torch.bool), "nonpad": rows.attention == 1}
    inside = region.to_rows(region.draw(torch.zeros(4, 7, 3), seeded())) != 0
    assert torch.equal(inside.all(dim=-1), expected.get(scope, rows.text >= 0))
    assert torch.equal(inside.any(dim=-1), inside.all(dim=-1))
    assert region.places.shape == ((2, 3) if scope == "text-tied" else (4, 7))


@pytest.mark.parametrize("scope", ["text", "text-tied"])
@pytest.mark.parametrize("objective", EMBEDDING[:4], ids=lambda o: o.name)
def test_template_slot_special_tokens_and_padding_stay_where_they_are(objective: Any, scope: Any) -> None:
    network = Mean()
    update(objective, network, PROMPTED, scope=scope)
    moved = torch.stack(network.seen).abs().amax(dim=(0, -1)) > 1e-9
    assert torch.equal(moved, PROMPTED.rows.text >= 0)


def test_a_tied_token_moves_alike_in_every_row_of_its_text() -> None:
    network = Mean(width=3)
    for objective in (pgd.PGD, freelb.FREELB, tavat.TAVAT):
        update(objective, network, PROMPTED)
    for moved in network.seen:
        assert torch.allclose(moved[0, 3:5], moved[1, 1:3])
        assert torch.allclose(moved[2, 3], moved[3, 1])
        assert not torch.allclose(moved[0, 3], moved[0, 4])
    network.seen.clear()
    update(pgd.PGD, network, PROMPTED, scope="text")
    assert not torch.allclose(network.seen[-1][0, 3:5], network.seen[-1][1, 1:3])


def test_a_tied_gradient_is_the_sum_over_the_rows_where_the_token_survives() -> None:
    region = Region(PROMPTED, "text-tied")
    delta = region.zeros(torch.zeros(4, 7, 2)).requires_grad_()
    upstream = torch.arange(56.0).view(4, 7, 2)
    (region.to_rows(delta) * upstream).sum().backward()
    assert delta.grad is not None
    assert torch.equal(delta.grad[0, 0], upstream[0, 3] + upstream[1, 1])
    assert torch.equal(delta.grad[0, 2], upstream[0, 5])
    assert not delta.grad[1, 1:].any()
    assert torch.equal(
        region.from_rows(upstream)[0], torch.stack([*(upstream[0, 3:5] + upstream[1, 1:3]) / 2, upstream[0, 5]])
    )


@pytest.mark.parametrize("objective", EMBEDDING[:4], ids=lambda o: o.name)
def test_with_one_row_a_text_tied_is_text(objective: Any) -> None:
    network = Mean(width=3)
    found = [(update(objective, network, PLAIN, scope=scope), gradients(network)) for scope in ("text", "text-tied")]
    assert found[0][0] == pytest.approx(found[1][0])
    assert same(found[0][1], found[1][1])


@pytest.mark.parametrize("objective", EMBEDDING[:4], ids=lambda o: o.name)
def test_a_template_given_twice_is_the_template_once(objective: Any) -> None:
    """Weight gradients and losses, for a tied perturbation."""
    twice = PLAIN._replace(rows=PLAIN.rows.select(torch.tensor([0, 0, 1, 1])), owner=torch.tensor([0, 0, 1, 1]))
    network = Mean(width=3)
    found = [(update(objective, network, batch), gradients(network)) for batch in (PLAIN, twice)]
    assert found[0][0] == pytest.approx(found[1][0])
    assert same(found[0][1], found[1][1])


@pytest.mark.parametrize("head", ["mlp", "mvp"])
def test_no_perturbation_by_embeddings_is_the_pass_by_ids(head: str) -> None:
    network = tiny(head).eval()
    batch = tiny_batch(network)
    words = network.embed(batch.rows.ids)
    for scope in SCOPES:
        region = Region(batch, scope)  # type: ignore[arg-type]
        moved = words + region.to_rows(region.zeros(words))
        assert torch.allclose(text_logits(network, batch, moved), text_logits(network, batch), atol=1e-5)


@pytest.mark.parametrize("scope", ["nonpad", "text", "text-tied"])
@pytest.mark.parametrize("objective", EMBEDDING[:4], ids=lambda o: o.name)
def test_more_padding_changes_nothing(objective: Any, scope: Any) -> None:
    network = Mean(width=3)
    found = [(update(objective, network, b, scope=scope), gradients(network)) for b in (PROMPTED, wider(PROMPTED, 5))]
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-12)
    assert same(found[0][1], found[1][1])
    assert not network.seen[-1][PROMPTED.rows.attention.sum(dim=1)[0] :, 7:].any()


def test_a_text_without_tokens_is_left_alone() -> None:
    empty = batch_of([Row((1, 2), (-1, -1)), Row((1, 2), (-1, -1))], [0, 1])
    for objective in EMBEDDING[:4]:
        network, plain = Mean(), Mean()
        update(objective, network, empty)
        clean.backward(plain, empty, NoOptions(), seeded())
        assert same(gradients(network), gradients(plain))


# ---- start, steps, ball


def test_the_uniform_start_has_058_sigma_of_norm_and_linf_fills_the_cube() -> None:
    rows = [Row(range(1, 101)), Row(range(1, 61))]
    region = Region(batch_of(rows, [0, 1]), "nonpad")
    like = torch.zeros(2, 100, 200)
    delta = region.uniform(like, 0.7, "l2", seeded())
    assert lengths(delta).flatten().tolist() == pytest.approx([0.7 / math.sqrt(3)] * 2, rel=0.02)
    cube = region.uniform(like, 0.7, "linf", seeded())
    assert 0.699 < float(cube.max()) <= 0.7
    assert -0.7 <= float(cube.min()) < -0.699
    assert float(cube[cube != 0].mean()) == pytest.approx(0, abs=0.02)
    state = seeded()
    region.uniform(like, 0.0, "l2", state)
    assert torch.equal(state.get_state(), seeded().get_state()), "nothing is drawn for size 0"


def test_steps_and_projection_by_hand() -> None:
    delta = torch.tensor([[[3.0, 0.0], [0.0, 4.0]], [[0.3, 0.0], [0.0, 0.0]]])
    gradient = torch.tensor([[[0.0, 6.0], [8.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    stepped = ascend(delta, gradient, 0.5, "l2")
    assert torch.allclose(stepped[0], torch.tensor([[3.0, 0.3], [0.4, 4.0]]))
    assert torch.equal(stepped[1], delta[1])
    assert torch.equal(ascend(delta, gradient, 0.5, "linf")[0], torch.tensor([[3.0, 0.5], [0.5, 4.0]]))
    assert torch.allclose(project(delta, 1.0, "l2")[0], torch.tensor([[0.6, 0.0], [0.0, 0.8]]))
    assert torch.equal(project(delta, 1.0, "l2")[1], delta[1])
    assert torch.equal(project(delta, 1.0, "linf")[0], torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    assert torch.equal(project(delta, 0.0, "l2"), delta)


@settings(max_examples=60, deadline=None)
@given(
    scope=st.sampled_from(SCOPES),
    norm=st.sampled_from(["l2", "linf"]),
    start=st.sampled_from(["random", "zero", "mvp-code"]),
    steps=st.integers(0, 4),
    step_size=st.floats(0, 5),
    epsilon=st.floats(0.01, 3),
    start_size=st.none() | st.floats(0, 5),
    seed=st.integers(0, 99),
)
def test_pgd_stays_in_its_ball_and_its_scope(
    scope: Any, norm: Any, start: Any, steps: int, step_size: float, epsilon: float, start_size: Any, seed: int
) -> None:
    options = {"scope": scope, "norm": norm, "start": start, "steps": steps, "step_size": step_size}
    region, delta = point(Mean(width=3), PROMPTED, seed, epsilon=epsilon, start_size=start_size, **options)
    norms = lengths(delta) if norm == "l2" else delta.abs()
    assert float(norms.max()) <= epsilon * (1 + 1e-9)
    assert not delta[~region.places].any()


@pytest.mark.parametrize("objective", EMBEDDING[:4], ids=lambda o: o.name)
def test_steps_do_not_depend_on_batch_size_or_passes_even_for_the_smallest_gradients(objective: Any) -> None:
    """Gradients below the floor of the step, where a mean over more texts or passes would shorten it."""
    few, many, short = Mean(width=3), Mean(width=3), Mean(width=3)
    for network in (few, many, short):
        network.out.weight.data *= 1e-9
    options = {"start": "zero"} if objective is pgd.PGD else {"start_size": 0}
    update(objective, few, PLAIN, steps=3, step_size=0.3, **options)
    four = PLAIN._replace(rows=PLAIN.rows.select(torch.tensor([0, 1, 0, 1])), owner=torch.arange(4))
    update(objective, many, four._replace(labels=PLAIN.labels.repeat(2)), steps=3, step_size=0.3, **options)
    assert 0 < float(lengths(few.seen[-1]).max()) < 0.1
    for one, other in zip(few.seen, many.seen, strict=True):
        assert torch.allclose(one, other[:2], rtol=1e-4, atol=0)
    update(objective, short, PLAIN, steps=2, step_size=0.3, **options)
    assert torch.allclose(few.seen[1], short.seen[1])


# ---- pgd


@pytest.mark.parametrize(("steps", "step_size", "expected"), [(1, 0.3, 0.3), (3, 0.3, 0.9), (5, 0.3, 1.0), (0, 0.3, 0)])
def test_on_a_linear_model_pgd_goes_as_far_as_steps_and_ball_allow(
    steps: int, step_size: float, expected: float
) -> None:
    for scope in SCOPES:
        _, delta = point(Mean(), PROMPTED, scope=scope, steps=steps, step_size=step_size, start="zero")
        assert lengths(delta).flatten().tolist() == pytest.approx([expected] * len(delta))


def test_one_step_from_zero_is_the_fast_gradient_method() -> None:
    network = Mean()
    words = network.embed(PLAIN.rows.ids).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(network(PLAIN.rows, words), PLAIN.labels), words)
    _, delta = point(network, PLAIN, scope="row", start="zero", epsilon=0.4, step_size=0.4)
    assert torch.allclose(delta, 0.4 * gradient / lengths(gradient))
    _, cube = point(network, PLAIN, scope="nonpad", start="zero", epsilon=0.4, step_size=0.1, norm="linf")
    assert torch.allclose(cube, 0.1 * gradient.sign())


def test_the_step_defaults_to_one_and_a_half_balls_over_the_steps() -> None:
    for steps in (1, 3):
        _, default = point(Mean(width=3), PLAIN, steps=steps, epsilon=0.8)
        _, given_step = point(Mean(width=3), PLAIN, steps=steps, epsilon=0.8, step_size=1.2 / steps)
        assert torch.allclose(default, given_step)


@pytest.mark.parametrize("head", ["mlp", "mvp"])
def test_without_steps_pgd_is_plain_training_bit_for_bit_dropout_included(head: str) -> None:
    network = tiny(head)
    batch = tiny_batch(network)
    torch.manual_seed(3)
    loss = update(pgd.PGD, network, batch, steps=0, start="zero")
    found = gradients(network)
    torch.manual_seed(3)
    assert clean.backward(network, batch, NoOptions(), seeded()) == loss
    expected = gradients(network)
    assert all(torch.equal(found[name], expected[name]) for name in expected if "word_embeddings" not in name)
    assert same(found, expected, atol=1e-6)


@pytest.mark.parametrize("dropout", ["fresh", "shared", "off"])
def test_the_search_leaves_no_weight_gradient_behind(dropout: Any) -> None:
    network = tiny("mvp")
    point(network, tiny_batch(network), steps=2, dropout=dropout)
    assert gradients(network) == {}
    assert network.training
    assert all(module.training for module in network.modules())


def test_only_the_last_point_trains_the_weights_unless_the_leak_is_asked_for() -> None:
    network = Mean(width=3)
    options = {"steps": 2, "step_size": 0.7, "scope": "nonpad"}
    path = []
    for steps in range(3):
        region, delta = point(network, PLAIN, **{**options, "steps": steps})
        words = network.embed(PLAIN.rows.ids)
        # MVP's code detaches the words of the search, so that nothing of it leaks into the embeddings.
        words = words if steps == 2 else words.detach()
        cross_entropy(network(PLAIN.rows, words + region.to_rows(delta)), PLAIN.labels).backward()
        path.append(gradients(network))
    update(pgd.PGD, network, PLAIN, **options)
    assert same(gradients(network), path[2])
    update(pgd.PGD, network, PLAIN, inner_weight_gradients=True, **options)
    leaked = gradients(network)
    for name in ("out.weight", "out.bias", "hidden.weight"):
        assert torch.allclose(leaked[name], path[0][name] + path[1][name] + path[2][name])
        assert not torch.allclose(leaked[name], path[2][name], rtol=0.1)
    assert torch.allclose(leaked["words.weight"], path[2]["words.weight"])


def test_the_clean_loss_is_added_with_its_weight() -> None:
    network = Mean(width=3)
    found = {weight: (update(pgd.PGD, network, PLAIN, clean_weight=weight), gradients(network)) for weight in (0, 0.5)}
    plain = clean.backward(network, PLAIN, NoOptions(), seeded()), gradients(network)
    assert found[0.5][0] == pytest.approx(found[0][0] + 0.5 * plain[0])
    for name, value in plain[1].items():
        assert torch.allclose(found[0.5][1][name], found[0][1][name] + 0.5 * value)


def test_the_published_start_has_the_norm_of_the_ball_in_every_row_padding_included() -> None:
    _, delta = point(Mean(200), PROMPTED, steps=0, scope="row", start="mvp-code", epsilon=1.3)
    assert lengths(delta).flatten().tolist() == pytest.approx([1.3] * 4)
    assert delta[3, 5:].abs().sum() > 0
    # u (2u - 1) for u uniform has mean 1/6 and square mean 2/15; the norm takes out the scale only.
    assert float(delta.mean() / delta.square().mean().sqrt()) == pytest.approx((1 / 6) / math.sqrt(2 / 15), rel=0.05)
    assert float(delta.min() / delta.max()) == pytest.approx(-1 / 8, rel=0.05)


def test_pgd_raises_the_loss_more_than_a_random_direction_of_the_same_length() -> None:
    network = Mean(8, width=6)
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 30, (64, 6), generator=rng)
    rows = [Row((1, *line, 2), (-1, *range(6), -1)) for line in ids.tolist()]
    batch = batch_of(rows, (ids < 16).sum(dim=1).gt(3).long().tolist())
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        clean.backward(network, batch, NoOptions(), seeded())
        optimizer.step()
    network.zero_grad(set_to_none=True)

    def loss(region: Region, delta: torch.Tensor) -> float:
        moved = network.embed(batch.rows.ids) + region.to_rows(delta)
        return float(cross_entropy(text_logits(network, batch, moved).detach(), batch.labels))

    for steps in (1, 5):
        region, worst = point(network, batch, steps=steps, epsilon=1.0)
        found = loss(region, worst)
        assert found > loss(region, torch.zeros_like(worst))
        for seed in range(20):
            chance = region.draw(network.embed(batch.rows.ids), seeded(seed))
            assert found > loss(region, chance * lengths(worst) / lengths(chance))


def test_the_perturbation_does_not_depend_on_the_other_texts() -> None:
    alone = batch_of([Row((1, 8, 2), (-1, 0, -1))], [1])
    _, beside = point(Mean(width=3), PLAIN, start="zero", steps=3, step_size=0.2)
    _, single = point(Mean(width=3), alone, start="zero", steps=3, step_size=0.2)
    assert torch.allclose(beside[1, :1], single[0])


@pytest.mark.parametrize(
    "options",
    [
        {"epsilon": 0},
        {"epsilon": 0, "step_size": 0.1},
        {"epsilon": 0, "step_size": 0.1, "start": "mvp-code", "start_size": 0.1},
        {"steps": -1},
        {"epsilon": -1},
        {"scope": "words"},
    ],
)
def test_pgd_refuses_settings_that_mean_nothing(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        pgd.PgdOptions(**options)


def test_without_a_bound_pgd_goes_as_far_as_its_steps() -> None:
    _, delta = point(Mean(), PLAIN, epsilon=0, step_size=2.0, steps=4, start="zero")
    assert lengths(delta).flatten().tolist() == pytest.approx([8, 8])


# ---- dropout


def test_shared_masks_repeat_and_the_stream_moves_on_by_one_pass() -> None:
    network = Mean(dropout=0.5).train()

    def outputs(policy: Any) -> list[torch.Tensor]:
        torch.manual_seed(9)
        passes, made = Passes(network, policy), []
        for _ in range(3):
            with passes.one():
                made.append(network(PLAIN.rows).detach())
        return made

    first = outputs("shared")
    after = torch.rand(4)
    assert torch.equal(first[0], first[1])
    assert torch.equal(first[0], first[2])
    fresh = outputs("fresh")
    assert torch.equal(fresh[0], first[0])
    assert not torch.equal(fresh[0], fresh[1])
    torch.manual_seed(9)
    network(PLAIN.rows)
    assert torch.equal(torch.rand(4), after)
    torch.manual_seed(9)
    untouched = torch.rand(4)
    off = outputs("off")
    assert torch.equal(torch.rand(4), untouched)
    assert torch.equal(off[0], network.eval()(PLAIN.rows).detach())


def test_dropout_off_leaves_the_modes_of_all_modules_as_they_were() -> None:
    network = tiny()
    network.body.eval()
    before = [module.training for module in network.modules()]

    def fails() -> None:
        with Passes(network, "off").one():
            assert not any(module.training for module in network.modules())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert [module.training for module in network.modules()] == before


@pytest.mark.parametrize("objective", EMBEDDING, ids=lambda o: o.name)
def test_the_same_seeds_give_the_same_update(objective: Any) -> None:
    network = tiny("mvp")
    batch = tiny_batch(network)
    found = []
    for stream in (4, 4, 5):
        torch.manual_seed(stream)
        found.append((update(objective, network, batch), gradients(network)))
    assert found[0][0] == found[1][0]
    assert same(found[0][1], found[1][1], rtol=0, atol=0)
    assert found[0][0] != found[2][0]


# ---- freelb


class TwoWeights(nn.Module):
    """Scores (w x + b, 0) for words x of one dimension that are not trained."""

    def __init__(self, w: float, b: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        return ids[..., None].to(torch.float64) / 10

    def forward(self, rows: RowBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
        x = (self.embed(rows.ids) if embeddings is None else embeddings)[:, 0, 0]
        return torch.stack([self.w * x + self.b, torch.zeros_like(x)], dim=1)


@pytest.mark.parametrize("sign", [1, -1])
def test_freelb_with_one_step_on_two_weights_by_hand(sign: int) -> None:
    """l = log(1 + exp(-(w x + b))), so that delta_1 = -a sign(w), and the gradient is the mean over both points."""
    w, b, x, a = 0.8 * sign, -0.3, 0.7, 0.25
    network = TwoWeights(w, b)
    loss = update(freelb.FREELB, network, batch_of([Row((7,))], [0]), steps=2, step_size=a, start_size=0, epsilon=0)
    points = (x, x - a * sign)
    slopes = [-1 / (1 + math.exp(w * p + b)) for p in points]
    found = gradients(network)
    assert float(found["b"]) == pytest.approx(sum(slopes) / 2)
    assert float(found["w"]) == pytest.approx(sum(s * p for s, p in zip(slopes, points, strict=True)) / 2)
    assert loss == pytest.approx(sum(math.log1p(math.exp(-(w * p + b))) for p in points) / 2)


@pytest.mark.parametrize("dropout", ["shared", "off"])
def test_without_start_and_steps_the_number_of_passes_does_not_matter(dropout: Any) -> None:
    network = tiny()
    batch = tiny_batch(network)
    found = []
    for steps in (1, 4):
        torch.manual_seed(3)
        update(freelb.FREELB, network, batch, steps=steps, step_size=0, start_size=0, dropout=dropout)
        found.append(gradients(network))
    assert same(found[0], found[1], atol=1e-6, rtol=1e-4)


def test_k_steps_of_the_fairseq_code_are_k_plus_one_passes() -> None:
    """Its loop written out: K ascents, K + 1 passes, here averaged, with the sum of the losses for the ascent."""
    network, steps, a, sigma, epsilon = Mean(width=3), 3, 0.4, 1.0, 0.9
    kept = PLAIN.rows.attention.to(torch.float64)[:, :, None]
    region = Region(PLAIN, "nonpad")
    delta = region.draw(network.embed(PLAIN.rows.ids), seeded())
    delta = delta * sigma / (kept.sum(dim=1) * 4).sqrt()[:, None]
    for number in range(steps + 1):
        delta = delta.detach().requires_grad_()
        losses = cross_entropy(
            network(PLAIN.rows, network.words(PLAIN.rows.ids) + delta), PLAIN.labels, reduction="sum"
        )
        (losses / len(PLAIN.labels) / (steps + 1)).backward()
        if number < steps:
            g = delta.grad
            assert g is not None
            delta = delta.detach() + a * g / g.flatten(1).norm(dim=1)[:, None, None]
            norm = delta.flatten(1).norm(dim=1)[:, None, None]
            delta = torch.where(norm > epsilon, delta * epsilon / norm, delta)
    expected = gradients(network)
    options = {"steps": steps + 1, "step_size": a, "start_size": sigma, "epsilon": epsilon, "scope": "nonpad"}
    update(freelb.FREELB, network, PLAIN, **options)
    assert same(gradients(network), expected)


def test_the_path_is_the_same_for_a_mean_and_a_sum_of_the_losses() -> None:
    once, twice = Mean(width=3), Mean(width=3)
    doubled = batch_of([Row((1, 5, 6, 7, 2), (-1, 0, 1, 2, -1)), Row((1, 8, 2), (-1, 0, -1))] * 2, [0, 1, 0, 1])
    options = {"steps": 4, "step_size": 0.3, "start_size": 0}
    update(freelb.FREELB, once, PLAIN, **options)
    update(freelb.FREELB, twice, doubled, **options)
    for few, many in zip(once.seen, twice.seen, strict=True):
        assert torch.allclose(few, many[:2])


def test_last_only_trains_at_the_last_point() -> None:
    network = Mean(width=3)
    options = {"steps": 3, "step_size": 0.4, "start_size": 0.5}
    loss = update(freelb.FREELB, network, PLAIN, accumulate="last", **options)
    moved = network.seen[-1]
    found = gradients(network)
    expected = cross_entropy(network(PLAIN.rows, network.embed(PLAIN.rows.ids) + moved), PLAIN.labels)
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()))
    assert same(found, gradients(network))


def test_the_two_differ_in_their_defaults_only() -> None:
    plain, plus = freelb.FreeLbOptions(), freelb.FreeLbPlusOptions()
    assert freelb.FREELB.backward is freelb.FREELB_PLUS.backward
    assert (plain.epsilon > 0, plus.epsilon, plus.steps) == (True, 0, 10)
    network = Mean(width=3)
    update(freelb.FREELB_PLUS, network, PLAIN, steps=30, step_size=0.2)
    assert float(lengths(network.seen[-1]).max()) > 3


# ---- tavat


def tavat_run(network: Any, **options: Any) -> Any:
    return tavat.TAVAT.begin(context(network), tavat.TavatOptions(**options))  # type: ignore[misc]


REPEATED = batch_of([Row((1, 5, 6, 5, 2), (-1, 0, 1, 2, -1)), Row((1, 5, 2), (-1, 0, -1))], [0, 1])
"""Word 5 three times, in two texts."""

LEGACY = {
    "scope": "nonpad",
    "token_scope": "everywhere",
    "token_start": "batch",
    "update": "add",
    "occurrences": "sum",
    "accumulate": "sum",
}


def test_the_scale_of_the_table_does_not_matter() -> None:
    for options in ({}, LEGACY):
        found = []
        for factor in (1, 10):
            network = Mean(width=3)
            run = tavat_run(network, **options)
            run._rows(REPEATED.rows.ids, network.embed(REPEATED.rows.ids).detach())
            run.table *= factor
            run.backward(REPEATED)
            found.append(network.seen)
        assert all(torch.allclose(one, other) for one, other in zip(*found, strict=True))


def test_the_start_of_the_tokens_is_their_rows_of_the_table() -> None:
    network = Mean()
    run = tavat_run(network, steps=1, start_size=0.2)
    run.table = torch.randn(30, 4, generator=seeded(), dtype=torch.float64)
    rows = run.table.clone()
    region = Region(REPEATED, "text-tied")
    eta = run._first(region, REPEATED.rows.ids, network.embed(REPEATED.rows.ids))
    picked = rows[torch.tensor([5, 6, 5])]
    assert torch.allclose(eta[0], 0.2 * picked / picked.norm())
    assert lengths(eta).flatten().tolist() == pytest.approx([0.2, 0.2])
    assert not eta[1, 1:].any()


@pytest.mark.parametrize("update_rule", ["assign", "add"])
@pytest.mark.parametrize("occurrences", ["mean", "sum"])
def test_a_word_passes_the_mean_or_the_sum_of_its_perturbations_to_the_table(
    update_rule: str, occurrences: str
) -> None:
    network = Mean(width=3)
    options = {"scope": "text", "steps": 3, "start_size": 0.3, "epsilon": 0}
    run = tavat_run(network, update=update_rule, occurrences=occurrences, **options)
    run._rows(REPEATED.rows.ids, network.embed(REPEATED.rows.ids).detach())
    before = run.table.clone()
    ends: list[torch.Tensor] = []
    remember = run._remember
    run._remember = lambda region, ids, eta: (ends.append(eta), remember(region, ids, eta))
    run.backward(REPEATED)
    (eta,) = ends
    etas = torch.stack([eta[0, 1], eta[0, 3], eta[1, 1]])
    assert not torch.allclose(etas[0], etas[1])
    expected = etas.mean(dim=0) if occurrences == "mean" else etas.sum(dim=0)
    assert torch.allclose(run.table[5], expected + (before[5] if update_rule == "add" else 0))
    assert torch.allclose(run.table[6], eta[0, 2] + (before[6] if update_rule == "add" else 0))
    assert torch.equal(run.table[:5], before[:5]), "special tokens and words that did not occur"


def test_words_that_do_not_occur_keep_their_row_and_new_ones_get_one() -> None:
    network = Mean(width=3)
    run = tavat_run(network)
    run.backward(REPEATED)
    before = run.table.clone()
    assert before.shape == (7, 4)
    run.backward(batch_of([Row((1, 5, 20, 2), (-1, 0, 1, -1))], [0]))
    assert run.table.shape == (21, 4)
    kept = [0, 1, 2, 3, 4, 6]
    assert torch.equal(run.table[kept], before[kept])
    assert not torch.equal(run.table[5], before[5])
    assert float(run.table[7:20].abs().max()) <= 0.2 / math.sqrt(4)


def test_the_largest_token_keeps_its_norm_and_one_of_half_of_it_is_halved() -> None:
    eta = torch.tensor([[[0.0, 2.0], [1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]])
    assert torch.equal(tavat.balanced(eta), torch.tensor([[[0, 2.0], [0.5, 0], [0, 0]], [[0, 0], [0, 0], [0, 0]]]))
    stepped = tavat.ascend_tokens(torch.zeros(1, 2, 2), torch.tensor([[[3.0, 4.0], [0.0, 0.0]]]), 0.5)
    assert torch.allclose(stepped, torch.tensor([[[0.3, 0.4], [0.0, 0.0]]]))


def test_without_tokens_the_sum_is_k_times_the_gradient_of_freelb() -> None:
    network = Mean(width=3)
    options = {"steps": 3, "step_size": 0.3, "start_size": 0.4, "epsilon": 0.5}
    update(freelb.FREELB, network, PLAIN, **options)
    expected = gradients(network)
    loss = update(tavat.TAVAT, network, PLAIN, tokens=False, accumulate="sum", **options)
    assert same(gradients(network), expected, factor=3)
    mean = update(tavat.TAVAT, network, PLAIN, tokens=False, **options)
    assert same(gradients(network), expected)
    assert loss == pytest.approx(3 * mean)


def test_both_perturbations_together_stay_in_the_ball_after_a_step() -> None:
    for options in ({}, {"scope": "row"}, LEGACY):
        network = Mean(width=3)
        update(tavat.TAVAT, network, PROMPTED, **{**options, "steps": 4, "step_size": 2.0, "epsilon": 0.5})
        for moved in network.seen[1:]:
            tied = Region(PROMPTED, options.get("scope", "text-tied")).from_rows(moved)  # type: ignore[arg-type]
            assert float(lengths(tied).max()) <= 0.5 + 1e-9


def test_the_legacy_options_are_the_published_loop() -> None:
    """The loop of the published code, written out for two batches on a table of its own."""
    network, a, epsilon, steps = Mean(width=3), 0.3, 0.6, 3
    run = tavat_run(network, steps=steps, step_size=a, epsilon=epsilon, start_size=0.4, **LEGACY)
    source = seeded()
    table = None
    for batch in (REPEATED, PLAIN):
        ids, kept = batch.rows.ids, batch.rows.attention[:, :, None].to(torch.float64)
        region = Region(batch, "nonpad")
        delta = region.uniform(network.embed(ids), 0.4, "l2", source)
        top = int(ids.max()) + 1
        fresh = top if table is None else top - len(table)
        drawn = (2 * torch.rand((fresh, 4), generator=source, dtype=torch.float64) - 1) * 0.4 / 2
        table = drawn if table is None else torch.cat([table, drawn])
        eta = table[ids] / table[ids].norm()
        for number in range(steps):
            delta, eta = delta.detach().requires_grad_(), eta.detach().requires_grad_()
            cross_entropy(network(batch.rows, network.words(ids) + delta + eta), batch.labels).backward()
            if number == steps - 1:
                break
            assert delta.grad is not None
            assert eta.grad is not None
            delta = delta.detach() + a * delta.grad * kept / (delta.grad * kept).flatten(1).norm(dim=1)[:, None, None]
            eta = eta.detach() + a * eta.grad / eta.grad.norm(dim=-1, keepdim=True).clamp(min=1e-8)
            norms = eta.norm(dim=-1, keepdim=True)
            eta = eta * norms / norms.amax(dim=1, keepdim=True)
            whole = (delta + eta).flatten(1).norm(dim=1)[:, None, None]
            factor = torch.where(whole > epsilon, epsilon / whole, torch.ones_like(whole))
            delta, eta = delta * factor, eta * factor
        table = table.index_put((ids.flatten(),), eta.detach().flatten(0, 1), accumulate=True)
        expected = gradients(network)
        run.backward(batch)
        assert same(gradients(network), expected)
        assert torch.allclose(run.table, table)


def test_the_table_is_shared_by_templates_and_template_words_stay_out_of_it() -> None:
    network = Mean(width=3)
    run = tavat_run(network)
    run._rows(PROMPTED.rows.ids, network.embed(PROMPTED.rows.ids).detach())
    before = run.table.clone()
    run.backward(PROMPTED)
    changed = (run.table != before).any(dim=1).nonzero().flatten().tolist()
    assert changed == [5, 6, 7, 8]


def test_tavat_refuses_tokens_everywhere_under_a_tied_scope() -> None:
    with pytest.raises(ValidationError):
        tavat.TavatOptions(token_scope="everywhere")


# ---- infobert


def test_the_compression_term_is_the_trace_of_the_covariance() -> None:
    assert float(infobert.spread(torch.full((5, 3), 1.7), seeded())) == 0
    two = torch.tensor([[0.0], [2.0]])
    values = [float(infobert.spread(two, seeded(seed))) for seed in range(2000)]
    assert set(values) <= {0.0, 1.0, 2.0}
    assert sum(values) / len(values) == pytest.approx(1, abs=0.06)
    states = torch.randn(4000, 5, generator=seeded()) * torch.arange(1.0, 6)
    trace = float(states.var(dim=0, correction=0).sum())
    assert float(infobert.spread(states, seeded(1))) == pytest.approx(trace, rel=0.05)


class Given(nn.Module):
    """A critic that looks up the score of a pair of one-dimensional states."""

    def __init__(self, scores: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.scores = torch.tensor(scores)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        local, whole = pairs[..., 0].long(), pairs[..., 1].long()
        return self.scores[local, whole][..., None]


def test_info_nce_by_hand() -> None:
    """scores[local][whole]: the denominators are the columns."""
    scores = [[1.0, 0.5], [-0.25, 2.0]]
    places = torch.tensor([[0.0], [1.0]])
    expected = math.log(2) + (1 + 2) / 2
    expected -= (math.log(math.exp(1) + math.exp(-0.25)) + math.log(math.exp(0.5) + math.exp(2))) / 2
    assert float(infobert.info_nce(Given(scores), places, places)) == pytest.approx(expected)


def test_a_constant_critic_sees_nothing_and_no_critic_more_than_log_n() -> None:
    states = torch.arange(6.0)[:, None]
    assert float(infobert.info_nce(Given([[3.0] * 6] * 6), states, states)) == pytest.approx(0, abs=1e-6)
    sharp = Given((100 * torch.eye(6)).tolist())
    assert float(infobert.info_nce(sharp, states, states)) == pytest.approx(math.log(6))
    for seed in range(20):
        chance = Given((5 * torch.randn(6, 6, generator=seeded(seed))).tolist())
        assert float(infobert.info_nce(chance, states, states)) <= math.log(6) + 1e-6


def test_chunks_count_by_their_size() -> None:
    """Seven pairs in chunks of three: log 3 twice and 0 for the pair that is alone."""
    states = torch.arange(7.0)[:, None]
    sharp = Given((100 * torch.eye(7)).tolist())
    found = infobert.information(sharp, states, states, 3, seeded())
    assert float(found) == pytest.approx(6 / 7 * math.log(3))


def test_ranks_between_two_quantiles_are_anchored_features() -> None:
    text = torch.ones(1, 10, dtype=torch.bool)
    norms = torch.tensor([[9.0, 8, 7, 6, 5, 4, 3, 2, 1, 0]])
    assert infobert.anchors(norms, text, 0.5, 0.9).nonzero()[:, 1].tolist() == [1, 2, 3, 4], "ranks 8, 7, 6, 5"
    tied = infobert.anchors(torch.zeros(1, 10), text, 0.5, 0.9)
    assert tied.nonzero()[:, 1].tolist() == [5, 6, 7, 8], "ties: the earlier is lower"
    text[0, [0, 3, 9]] = False
    assert infobert.anchors(norms, text, 0.5, 0.9).nonzero()[:, 1].tolist() == [1, 2, 4], "seven tokens: ranks 4, 5, 6"
    assert not infobert.anchors(norms, text & False, 0.0, 1.0).any()
    assert torch.equal(infobert.anchors(norms, text, 0.0, 1.0), text)
    assert not infobert.anchors(norms[:, 1:2], text[:, 1:2], 0.5, 0.9).any(), "one token: ceil(.5) to ceil(.9) - 1"
    hundred = torch.arange(100.0)[None]
    assert infobert.anchors(hundred, hundred >= 0, 0.07, 0.56).sum() == 56 - 7


def infobert_run(network: Any, **options: Any) -> Any:
    return infobert.INFOBERT.begin(context(network), infobert.InfoBertOptions(**options))  # type: ignore[misc]


@pytest.mark.parametrize("head", ["mlp", "mvp"])
def test_local_features_are_text_and_the_whole_is_the_last_state_at_the_slot(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny(head).eval()
    batch = tiny_batch(network)
    run = infobert_run(network, steps=1, start_size=0, lowest=0.0, highest=1.0)
    given_states: list[tuple[torch.Tensor, torch.Tensor]] = []

    def kept(critic: Any, local: torch.Tensor, whole: torch.Tensor, *rest: Any) -> torch.Tensor:
        given_states.append((local.detach(), whole.detach()))
        return local.sum() * 0

    monkeypatch.setattr(infobert, "information", kept)
    run.backward(batch)
    with torch.no_grad():
        first = network.states(batch.rows)
        last = network.layers(first, batch.rows.attention, 0, network.num_layers)
    row, place = (batch.rows.text >= 0).nonzero().unbind(1)
    (local, whole) = given_states[0]
    assert torch.allclose(local, first[row, place], atol=1e-6)
    assert torch.allclose(whole, last[row, batch.rows.slot[row]], atol=1e-6)


def test_one_pass_of_infobert_by_hand() -> None:
    """loss and weight gradient of l + beta U - alpha I, with the terms computed outside."""
    network = tiny("mvp").eval()
    batch = tiny_batch(network)
    options = {"steps": 1, "start_size": 0, "alpha": 0.3, "beta": 0.2, "chunk": 4}
    run = infobert_run(network, **options)
    stream = seeded()
    torch.randint(2**62, (), generator=stream)  # the seed of the critic
    loss = run.backward(batch)
    found, critic_found = gradients(network), gradients(run.critic)

    words = network.embed(batch.rows.ids).detach().requires_grad_()
    states = network.states(batch.rows, words)
    seen = states[batch.rows.attention == 1]
    partner = torch.randint(len(seen), (len(seen),), generator=stream)
    scores = network.scores(network.layers(states, batch.rows.attention, 0, 2), batch.rows)
    task = cross_entropy(torch.stack([scores[2 * i : 2 * i + 2].mean(dim=0) for i in range(3)]), batch.labels)
    squeezed = task + 0.2 * (seen - seen[partner]).square().sum() / 2 / len(seen)
    (gradient,) = torch.autograd.grad(squeezed, words)
    tied = torch.zeros(3, int(batch.rows.text.max()) + 1, 32)
    for r, line in enumerate(batch.rows.text.tolist()):
        for position, token in enumerate(line):
            if token >= 0:
                tied[int(batch.owner[r]), token] += gradient[r, position]
    pairs = []
    for r, line in enumerate(batch.rows.text.tolist()):
        positions = [p for p, token in enumerate(line) if token >= 0]
        ranked = sorted(positions, key=lambda p: float(tied[int(batch.owner[r]), line[p]].norm()))
        chosen = ranked[math.ceil(len(ranked) * 0.5) : math.ceil(len(ranked) * 0.9)]
        pairs += [(r, p) for p in sorted(chosen)]

    words = network.embed(batch.rows.ids)
    states = network.states(batch.rows, words)
    last = network.layers(states, batch.rows.attention, 0, 2)
    scores = network.scores(last, batch.rows)
    task = cross_entropy(torch.stack([scores[2 * i : 2 * i + 2].mean(dim=0) for i in range(3)]), batch.labels)
    seen = states[batch.rows.attention == 1]
    squeezed = task + 0.2 * (seen - seen[partner]).square().sum() / 2 / len(seen)
    order = torch.randperm(len(pairs), generator=stream).tolist()
    bound = torch.zeros(())
    for start in range(0, len(order), 4):
        some = [pairs[index] for index in order[start : start + 4]]
        for r, p in some:
            whole = last[r, batch.rows.slot[r]]
            value = run.critic(torch.cat([states[r, p], whole]))
            against = torch.cat([run.critic(torch.cat([states[q, o], whole])) for q, o in some])
            bound = bound + (value.squeeze() - against.logsumexp(dim=0) + math.log(len(some))) / len(pairs)
    expected = squeezed - 0.3 * bound
    expected.backward()
    assert len(pairs) > 4
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    assert same(found, gradients(network), atol=1e-5, rtol=1e-3)
    assert same(critic_found, gradients(run.critic), atol=1e-6, rtol=1e-3)


def test_the_information_term_does_not_move_the_perturbation() -> None:
    network = tiny().eval()
    batch = tiny_batch(network)
    paths = []
    for options in ({"alpha": 0}, {"alpha": 10.0}, {"alpha": 0, "beta": 1.0}):
        seen: list[torch.Tensor] = []
        states = type(network).states

        def kept(rows: RowBatch, embeddings: torch.Tensor, seen: Any = seen, states: Any = states) -> torch.Tensor:
            seen.append((embeddings - network.embed(rows.ids)).detach())
            return states(network, rows, embeddings)

        run = infobert_run(network, **{"beta": 0, "start_size": 0, "step_size": 0.5, **options})
        network.states = kept
        run.backward(batch)
        del network.states
        paths.append(seen)
        network.zero_grad(set_to_none=True)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(paths[0], paths[1], strict=True))
    assert not torch.allclose(paths[0][2], paths[2][2], atol=1e-2), "the compression term does"


def test_the_critic_is_trained_beside_the_network_and_drawn_from_the_seed() -> None:
    network = tiny()
    batch = tiny_batch(network)
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    run = infobert_run(network)
    assert torch.equal(torch.rand(3), expected), "torch's own stream is left alone"
    parameters = list(run.parameters())
    assert [tuple(p.shape) for p in parameters] == [(300, 64), (300,), (1, 300), (1,)]
    assert all(torch.equal(a, b) for a, b in zip(parameters, infobert_run(network).parameters(), strict=True))
    before = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW([*network.parameters(), *parameters], lr=1e-3, weight_decay=0)
    run.backward(batch)
    optimizer.step()
    assert all((a != b).any() for a, b in zip(before, parameters, strict=True))
    assert list(infobert_run(network, alpha=0).parameters()) == []


def test_texts_too_short_for_features_have_no_information_term() -> None:
    network = tiny().eval()
    rows = network.rows("dull")
    batch = TrainingBatch(pad(rows, network.pad_id), torch.tensor([0]), torch.tensor([0]))
    losses = [infobert_run(network, alpha=a, start_size=0, beta=0, steps=1).backward(batch) for a in (0, 1)]
    assert losses[0] == pytest.approx(losses[1])


def test_infobert_refuses_quantiles_in_the_wrong_order() -> None:
    with pytest.raises(ValidationError):
        infobert.InfoBertOptions(lowest=0.9, highest=0.5)


# ---- in a training


@pytest.mark.parametrize("head", ["mlp", "mvp"])
@pytest.mark.parametrize("objective", EMBEDDING, ids=lambda o: o.name)
def test_a_training_runs_and_repeats(objective: Any, head: str) -> None:
    options = objective.options(steps=2)
    training = Training(epochs=1, batch_size=4, learning_rate=1e-3, evaluations_per_epoch=1)
    weights = []
    for _ in range(2):
        network = tiny(head)
        train_on(network, begin(objective, options), toy(8, 1), toy(4, 2), training, 0)
        weights.append(network.state_dict())
    start = tiny(head).state_dict()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in start)
    assert any(not torch.equal(weights[0][name], start[name]) for name in start)
    assert all(torch.isfinite(value).all() for value in weights[0].values())
