"""Objectives that change the loss (flooding, label smoothing, training temperature) or the data (ADA, MixADA)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from fitting import TASK, begin, fit_context, toy
from pydantic import ValidationError
from torch import nn

from benchmark.api import (
    Example,
    NoOptions,
    ObjectiveContext,
    Row,
    RowBatch,
    TrainingBatch,
    Uses,
    pool_rows,
    text_logits,
)
from benchmark.api import pad_rows as pad
from benchmark.fit.classifier import NetworkClassifier
from benchmark.fit.loop import train
from benchmark.suite import Training
from benchmark_plugins.defenses.heads import mlp, mvp
from benchmark_plugins.defenses.objectives import ada, clean, flooding, label_smoothing, mixada, ttso
from benchmark_plugins.models import tiny_random

Backward = Callable[[Any, TrainingBatch], float]


class Scores(nn.Module):
    """A network whose scores are its only parameter: gradients at the logits can be read off."""

    def __init__(self, scores: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(scores, dtype=torch.float64))

    def forward(self, rows: RowBatch) -> torch.Tensor:
        return self.weight


def given(labels: Sequence[int], owner: Sequence[int] | None = None) -> TrainingBatch:
    owner = list(range(len(labels))) if owner is None else list(owner)
    rows = pad([Row((1, 2)) for _ in owner], 0)
    return TrainingBatch(rows, torch.tensor(owner), torch.tensor(list(labels)))


def run_of(module_backward: Any, options: Any) -> Backward:
    return lambda network, batch: module_backward(network, batch, options, torch.Generator())


def plus(options: ttso.TtsoPlusOptions, epochs: int = 1, steps: int = 1) -> Backward:
    """``ttso++`` as a function; one run serves all calls."""
    runs: dict[int, Any] = {}

    def call(network: Any, batch: TrainingBatch) -> float:
        if id(network) not in runs:
            runs[id(network)] = ttso.TTSO_PLUS.begin(context(network, epochs=epochs, steps=steps), options)
        return runs[id(network)].backward(batch)

    return call


def context(network: Any, epochs: int = 1, steps: int = 1, seed: int = 0, **fit: Any) -> ObjectiveContext:
    generator = torch.Generator().manual_seed(seed)
    return ObjectiveContext(network, fit_context(**fit), generator, epochs, steps, lambda: NetworkClassifier(network))


def gradient(backward: Backward, scores: Sequence[Sequence[float]], labels: Sequence[int]) -> tuple[float, Any]:
    """The loss that is returned and the gradient at the logits."""
    network = Scores(scores)
    loss = backward(network, given(labels))
    assert network.weight.grad is not None
    return loss, network.weight.grad


def margin(loss: float) -> float:
    """The z for which logits (z, 0) with label 0 have this cross-entropy."""
    return -math.log(math.exp(loss) - 1)


PLAIN = run_of(clean.backward, NoOptions())
LOGITS = [[1.5, -0.5, 0.25], [-2.0, 0.5, 3.0], [0.1, 0.2, 0.3]]
LABELS = [0, 1, 2]


@pytest.mark.parametrize(
    "backward",
    [
        run_of(flooding.backward, flooding.FloodingOptions(level=0)),
        run_of(flooding.backward, flooding.FloodingOptions(level=0, per_sample=True)),
        run_of(label_smoothing.backward, label_smoothing.LabelSmoothingOptions(amount=0)),
        run_of(label_smoothing.backward, label_smoothing.LabelSmoothingOptions(amount=0, spread="others")),
        run_of(label_smoothing.backward, label_smoothing.LabelSmoothingOptions(amount=0, kind="adversarial")),
        run_of(ttso.backward, ttso.TtsoOptions(temperature=1)),
        plus(ttso.TtsoPlusOptions(temperature=1, alpha=0)),
        plus(ttso.TtsoPlusOptions(temperature=1, mode="curriculum"), steps=5),
        lambda network, batch: ada.ADA.begin(context(network), ada.AdaOptions()).backward(batch),
    ],
    ids=["flood", "flood-each", "smooth", "smooth-others", "als", "ttso", "ttso++", "curriculum", "ada"],
)
def test_switched_off_every_one_is_cross_entropy(backward: Backward) -> None:
    loss, found = gradient(backward, LOGITS, LABELS)
    expected_loss, expected = gradient(PLAIN, LOGITS, LABELS)
    assert loss == pytest.approx(expected_loss, abs=1e-12)
    assert torch.allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(
    "backward",
    [
        run_of(flooding.backward, flooding.FloodingOptions()),
        run_of(label_smoothing.backward, label_smoothing.LabelSmoothingOptions()),
        run_of(label_smoothing.backward, label_smoothing.LabelSmoothingOptions(kind="adversarial")),
        run_of(ttso.backward, ttso.TtsoOptions(temperature=0.1)),
        plus(ttso.TtsoPlusOptions(temperature=0.1)),
        plus(ttso.TtsoPlusOptions(temperature=0.1, mode="confidence")),
    ],
    ids=["flood", "smooth", "als", "ttso", "ttso++", "confidence"],
)
def test_logits_of_100_give_finite_losses_and_gradients(backward: Backward) -> None:
    for label in (0, 1):
        network = Scores([[100.0, -100.0, -100.0]]).float()
        assert math.isfinite(backward(network, given([label])))
        assert network.weight.grad is not None
        assert torch.isfinite(network.weight.grad).all()


def test_those_with_a_loss_of_their_own_say_so() -> None:
    """A wrapper that trains by a loss of its own must not silently take their place; ``ada`` only changes the texts."""
    own = (flooding.FLOODING, label_smoothing.LABEL_SMOOTHING, ttso.TTSO, ttso.TTSO_PLUS, mixada.MIXADA)
    assert all(item.changes == {"loss"} for item in own)
    assert ada.ADA.changes == frozenset()


# ---- flooding


def test_flooding_ascends_below_its_level_and_descends_above() -> None:
    backward = run_of(flooding.backward, flooding.FloodingOptions(level=0.1))
    for value, flooded, sign in ((0.04, 0.16, -1.0), (0.25, 0.25, 1.0)):
        loss, found = gradient(backward, [[margin(value), 0.0]], [0])
        _, expected = gradient(PLAIN, [[margin(value), 0.0]], [0])
        assert loss == pytest.approx(flooded, abs=1e-12)
        assert torch.allclose(found, sign * expected)


def test_flooding_has_no_gradient_at_its_level() -> None:
    losses = torch.tensor([0.25, 0.25], requires_grad=True)
    flooding.flooded(losses, 0.25).backward()
    assert losses.grad is not None
    assert losses.grad.tolist() == [0.0, 0.0]


def test_flooding_of_the_batch_differs_from_flooding_of_each_text() -> None:
    scores = [[margin(0.02), 0.0], [margin(0.30), 0.0]]
    each, found = gradient(run_of(flooding.backward, flooding.FloodingOptions(per_sample=True)), scores, [0, 0])
    whole, _ = gradient(run_of(flooding.backward, flooding.FloodingOptions()), scores, [0, 0])
    assert (whole, each) == (pytest.approx(0.16), pytest.approx(0.24))
    _, expected = gradient(PLAIN, scores, [0, 0])
    assert torch.allclose(found, expected * torch.tensor([[-1.0], [1.0]]))


def test_the_loss_of_a_separable_toy_hovers_about_the_level() -> None:
    """Gradient descent on logits that could fall to a loss of zero: the last stay near 0.1, plain ones do not."""
    ends = {}
    for name, backward in (("plain", PLAIN), ("flood", run_of(flooding.backward, flooding.FloodingOptions()))):
        network, batch = Scores([[0.0, 0.0], [0.0, 0.0]]), given([0, 1])
        optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
        seen = []
        for _ in range(400):
            optimizer.zero_grad()
            backward(network, batch)
            optimizer.step()
            seen.append(float(nn.functional.cross_entropy(network.weight.detach(), batch.labels)))
        ends[name] = seen[-100:]
    assert all(abs(loss - 0.1) < 0.05 for loss in ends["flood"])
    assert max(ends["plain"]) < 0.02


def test_rows_are_pooled_before_the_loss() -> None:
    """Two rows of one text: their mean is what counts, for each objective of one pass."""
    rows, single = [[3.0, 0.0], [1.0, 2.0]], [[2.0, 1.0]]
    for backward in (
        run_of(flooding.backward, flooding.FloodingOptions(level=0.5)),
        run_of(label_smoothing.backward, label_smoothing.LabelSmoothingOptions()),
        run_of(ttso.backward, ttso.TtsoOptions()),
        plus(ttso.TtsoPlusOptions()),
    ):
        two, one = Scores(rows), Scores(single)
        assert backward(two, given([0], [0, 0])) == pytest.approx(backward(one, given([0])))
        assert two.weight.grad is not None
        assert one.weight.grad is not None
        assert torch.allclose(two.weight.grad, one.weight.grad.expand(2, -1) / 2)


# ---- label smoothing


def target(scores: Sequence[float], label: int, **options: Any) -> list[float]:
    made = label_smoothing.LabelSmoothingOptions(**options)
    found = label_smoothing.targets(torch.tensor([scores], dtype=torch.float64), torch.tensor([label]), made)
    return found[0].tolist()


def test_targets_by_hand() -> None:
    logs = [math.log(share) for share in (0.1, 0.2, 0.3, 0.4)]
    assert target(logs, 0) == pytest.approx([0.925, 0.025, 0.025, 0.025])
    assert target(logs, 0, spread="others") == pytest.approx([0.9, 0.1 / 3, 0.1 / 3, 0.1 / 3])
    assert target(logs, 3, kind="adversarial") == pytest.approx([0.1, 0, 0, 0.9])
    assert target(logs, 0, kind="adversarial") == pytest.approx([1, 0, 0, 0])
    assert target([1.0, 0.0, 0.0, 2.0], 3, kind="adversarial") == pytest.approx([0, 0.05, 0.05, 0.9])
    assert target([0.0] * 4, 1, kind="adversarial") == pytest.approx([0.025, 0.925, 0.025, 0.025])
    assert target([1.0, 0.0], 0) == pytest.approx([0.95, 0.05])
    assert target([1.0, 0.0], 0, kind="adversarial") == pytest.approx([0.9, 0.1])


def test_adversarial_ties_are_ties_of_logits_not_of_underflown_probabilities() -> None:
    assert target([1000.0, 0.0, -1.0], 0, kind="adversarial") == pytest.approx([0.9, 0.0, 0.1])


def test_smoothing_over_all_is_torchs_own() -> None:
    backward = run_of(label_smoothing.backward, label_smoothing.LabelSmoothingOptions(amount=0.3))
    loss, found = gradient(backward, LOGITS, LABELS)
    scores = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    expected = nn.functional.cross_entropy(scores, torch.tensor(LABELS), label_smoothing=0.3)
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()))
    assert torch.allclose(found, scores.grad)


def test_the_least_loss_is_the_entropy_of_the_target() -> None:
    for amount, floor in ((0.05, 0.199), (0.1, 0.325)):
        options = label_smoothing.LabelSmoothingOptions(amount=amount, spread="others")
        scores = [[math.log(1 - amount), math.log(amount)]]
        loss, found = gradient(run_of(label_smoothing.backward, options), scores, [0])
        assert loss == pytest.approx(floor, abs=5e-4)
        assert torch.allclose(found, torch.zeros_like(found), atol=1e-12)


def test_no_gradient_flows_through_an_adversarial_target() -> None:
    """The gradient is softmax(z) - q, as for a constant q."""
    options = label_smoothing.LabelSmoothingOptions(amount=0.2, kind="adversarial")
    _, found = gradient(run_of(label_smoothing.backward, options), [[0.3, -0.7, 1.1]], [2])
    expected = torch.tensor([[0.3, -0.7, 1.1]], dtype=torch.float64).softmax(-1) - torch.tensor([[0.0, 0.2, 0.8]])
    assert torch.allclose(found, expected)


# ---- training temperature


def test_ttso_by_hand() -> None:
    for temperature, expected in ((1.0, 0.127), (10.0, 0.598)):
        backward = run_of(ttso.backward, ttso.TtsoOptions(temperature=temperature))
        loss, found = gradient(backward, [[2.0, 0.0]], [0])
        assert loss == pytest.approx(expected, abs=5e-4)
        share = torch.tensor([[2.0, 0.0]], dtype=torch.float64).div(temperature).softmax(-1)
        assert torch.allclose(found, (share - torch.tensor([[1.0, 0.0]])) / temperature)


def formula(scores: torch.Tensor, label: int, mode: str, base: float, alpha: float) -> torch.Tensor:
    """Cross-entropy at the text's own temperature, written out."""
    share = torch.exp(scores) / torch.exp(scores).sum()
    if mode == "entropy":
        temperature = base - alpha * sum(p * torch.log(p) for p in share)
    else:
        temperature = base + alpha * torch.relu(share.max() - 0.9)
    scaled = scores / temperature
    return torch.log(torch.exp(scaled).sum()) - scaled[label]


@pytest.mark.parametrize("mode", ["entropy", "confidence"])
@pytest.mark.parametrize("scores", [[0.5, -1.0, 0.2], [4.0, -1.0, 0.0]], ids=["unsure", "sure"])
def test_the_gradient_of_ttso_plus_is_that_of_the_written_formula(mode: str, scores: list[float]) -> None:
    """By autograd of the formula and by central differences."""
    options = ttso.TtsoPlusOptions(temperature=2, alpha=3, mode=mode)
    loss, found = gradient(plus(options), [scores], [1])
    z = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
    value = formula(z, 1, mode, 2, 3)
    value.backward()
    assert loss == pytest.approx(float(value.detach()))
    assert torch.allclose(found[0], z.grad)
    for place in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[place] = 1e-5
        rise = formula(z.detach() + step, 1, mode, 2, 3) - formula(z.detach() - step, 1, mode, 2, 3)
        assert float(found[0, place]) == pytest.approx(float(rise) / 2e-5, abs=1e-8)


def test_detaching_changes_the_gradient_and_not_the_loss() -> None:
    scores, label = [[0.5, -1.0]], [1]
    attached, one = gradient(plus(ttso.TtsoPlusOptions(temperature=2, alpha=3)), scores, label)
    detached, other = gradient(plus(ttso.TtsoPlusOptions(temperature=2, alpha=3, detach=True)), scores, label)
    assert attached == pytest.approx(detached, abs=1e-12)
    assert not torch.allclose(one, other)
    z = torch.tensor(scores, dtype=torch.float64)
    own = float(ttso.temperatures(z, ttso.TtsoPlusOptions(temperature=2, alpha=3)))
    assert torch.allclose(other, ((z / own).softmax(-1) - torch.tensor([[0.0, 1.0]])) / own)


def test_temperatures_of_texts() -> None:
    options = ttso.TtsoPlusOptions()
    flat = torch.zeros(1, 2, dtype=torch.float64)
    assert float(ttso.temperatures(flat, options)) == pytest.approx(20 + 0.5 * math.log(2))  # 20.3466
    # Ever surer: the entropy term falls, and at the defaults it never moves T by more than 1.8 %.
    gaps = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [9.0, 0.0], [60.0, 0.0]], dtype=torch.float64)
    found = ttso.temperatures(gaps, options)[:, 0].tolist()
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 5
    assert found[-1] == pytest.approx(20)
    sure = ttso.TtsoPlusOptions(temperature=5, alpha=2, mode="confidence")
    shares = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.95, 0.05]], dtype=torch.float64)
    assert ttso.temperatures(shares.log(), sure)[:, 0].tolist() == pytest.approx([5, 5, 5.1])


def test_without_alpha_ttso_plus_is_ttso() -> None:
    for mode in ("entropy", "confidence"):
        loss, found = gradient(plus(ttso.TtsoPlusOptions(temperature=7, alpha=0, mode=mode)), LOGITS, LABELS)
        expected_loss, expected = gradient(run_of(ttso.backward, ttso.TtsoOptions(temperature=7)), LOGITS, LABELS)
        assert loss == pytest.approx(expected_loss)
        assert torch.allclose(found, expected)


def test_a_curriculum_runs_from_the_first_step_to_the_last() -> None:
    options = ttso.TtsoPlusOptions(temperature=9, mode="curriculum")
    assert [ttso.curriculum(options, step, 5) for step in (0, 1, 2, 3, 4, 7)] == [1, 3, 5, 7, 9, 9]
    assert ttso.curriculum(options, 0, 1) == 9
    falling = ttso.TtsoPlusOptions(mode="curriculum", initial=6, final=2)
    assert [ttso.curriculum(falling, step, 3) for step in range(3)] == [6, 4, 2]
    network, batch = Scores([[2.0, 0.0]]), given([0])
    run = ttso.TTSO_PLUS.begin(context(network, epochs=2, steps=2), options)
    losses = [run.backward(batch) for _ in range(4)]
    for loss, temperature in zip(losses, (1, 1 + 8 / 3, 1 + 16 / 3, 9), strict=True):
        assert loss == pytest.approx(math.log1p(math.exp(-2 / temperature)))


# ---- adversarial data


class FakeAdversary:
    """Turns every second text; what it was asked is kept."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str], int, list[float]]] = []

    def __call__(self, attack: str, classifier: Any, examples: Sequence[Example], seed: int) -> list[Example]:
        self.calls.append((attack, [e.id for e in examples], seed, classifier.logits(["a film"])[0].tolist()))
        return [Example(f"{e.id}+{len(self.calls)}", f"{e.text} indeed", e.label) for e in examples[::2]]


def ada_run(options: ada.AdaOptions, seed: int = 0) -> tuple[Any, FakeAdversary]:
    adversary = FakeAdversary()
    return ada.ADA.begin(context(tiny_network(), seed=seed, adversary=adversary), options), adversary


def tiny_network(head: str = "mlp", **options: Any) -> Any:
    torch.manual_seed(1)
    base = tiny_random.load(None)  # type: ignore[arg-type]
    made = mvp.build(base, TASK, mvp.MvpOptions(**options)) if head == "mvp" else mlp.build(base, TASK, NoOptions())
    return made.eval()


TRAIN = toy(20, 1)


def test_ada_attacks_from_its_first_epoch_on_and_the_set_grows() -> None:
    run, adversary = ada_run(ada.AdaOptions(attack="some", number=6, start_epoch=1, equal_updates=False))
    assert run.examples(0, TRAIN) == TRAIN
    assert adversary.calls == []
    second, third = run.examples(1, TRAIN), run.examples(2, TRAIN)
    assert [len(second), len(third)] == [20 + 3, 20 + 6]
    assert [*second[:20]] == [*third[:20]] == TRAIN
    assert third[20:23] == second[20:]
    asked = [call[1] for call in adversary.calls]
    ids = {e.id: e for e in TRAIN}
    assert all(len(set(found)) == 6 and set(found) <= set(ids) for found in asked)
    assert asked[0] != asked[1]
    assert [call[0] for call in adversary.calls] == ["some"] * 2
    assert adversary.calls[0][2] != adversary.calls[1][2]
    assert all(e.label == ids[e.id.split("+")[0]].label and e.text.endswith("indeed") for e in third[20:])


def test_equal_updates_keep_the_number_of_texts() -> None:
    run, _ = ada_run(ada.AdaOptions(number=6, start_epoch=0))
    seen = [list(run.examples(epoch, TRAIN)) for epoch in range(8)]
    for epoch, examples in enumerate(seen):
        added = [e for e in examples if e.text.endswith("indeed")]
        assert len(examples) == 20
        assert len(added) == min(20, 3 * (epoch + 1))
        kept = [e.id for e in examples if not e.text.endswith("indeed")]
        assert len(set(kept)) == len(kept)
    assert [e.id for e in seen[1][:14]] != [e.id for e in seen[2][:14]], "originals make way at random"


def test_more_texts_than_there_are_is_all_of_them() -> None:
    run, adversary = ada_run(ada.AdaOptions(number=500, start_epoch=0, equal_updates=False))
    assert len(run.examples(0, TRAIN)) == 30
    assert sorted(adversary.calls[0][1]) == sorted(e.id for e in TRAIN)


def test_without_attacked_texts_the_training_texts_are_returned_as_they_are() -> None:
    run, adversary = ada_run(ada.AdaOptions(number=0, start_epoch=0))
    assert run.examples(3, TRAIN) is TRAIN
    assert adversary.calls == []


def test_the_seed_decides_what_is_attacked() -> None:
    found = []
    for seed in (1, 1, 2):
        run, adversary = ada_run(ada.AdaOptions(number=6), seed)
        found.append(([e.id for epoch in range(3) for e in run.examples(epoch, TRAIN)], adversary.calls))
    assert found[0] == found[1]
    assert found[0][1][0][:3] != found[2][1][0][:3]


def test_the_network_as_it_is_at_that_time_is_attacked() -> None:
    adversary = FakeAdversary()
    fit = fit_context(TRAIN, (), 3, adversary=adversary)
    log = train(
        tiny_network(),
        begin(ada.ADA, ada.AdaOptions(number=4)),
        fit,
        Training(epochs=3, learning_rate=1e-3, batch_size=8, evaluations_per_epoch=1),
    )
    assert log.steps == 9
    assert len(adversary.calls) == 2
    assert adversary.calls[0][3] != adversary.calls[1][3]


def test_the_attack_is_a_used_item() -> None:
    assert ada.ADA.uses(ada.AdaOptions(attack="bae")) == Uses(attacks=("bae",))
    assert mixada.MIXADA.uses(mixada.MixAdaOptions()) == Uses(attacks=("textfooler",))


# ---- mixed hidden states


def batch_of(network: Any, texts: Sequence[str], labels: Sequence[int]) -> TrainingBatch:
    listed = [network.rows(text) for text in texts]
    rows = pad([row for several in listed for row in several], network.pad_id)
    owner = [number for number, several in enumerate(listed) for _ in several]
    return TrainingBatch(rows, torch.tensor(owner), torch.tensor(list(labels)), tuple(texts))


TEXTS = ("a warm film", "the plot is thin and the acting is dull", "so so")
HEADS = {
    "mlp": {},
    "mvp": {},
    "mvp-appended": {"template_texts": ("{text} it was [MASK] .",)},
    "mvp-front": {"template_texts": ("a [MASK] movie : {text}",)},
}


@pytest.fixture(params=list(HEADS))
def network(request: pytest.FixtureRequest) -> Any:
    return tiny_network(request.param.split("-")[0], **HEADS[request.param])


def test_the_layered_pass_is_the_plain_one(network: Any) -> None:
    batch = batch_of(network, TEXTS, [0, 1, 0])
    clean_loss, _ = mixada.losses(network, batch, 1, 0.5, [1, 2, 0])
    expected = nn.functional.cross_entropy(text_logits(network, batch), batch.labels)
    assert float(clean_loss) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_lambda_1_is_the_text_itself(network: Any, layer: int) -> None:
    """The mixed term is the clean one, whatever the partner and its length: twice the cross-entropy in total."""
    batch = batch_of(network, TEXTS, [0, 1, 0])
    clean_loss, mixed = mixada.losses(network, batch, layer, 1.0, [1, 2, 0])
    assert float(mixed) == pytest.approx(float(clean_loss), abs=1e-6)


@pytest.mark.parametrize("layer", [1, 2])
def test_lambda_0_is_the_partner_wherever_its_slot_stands(network: Any, layer: int) -> None:
    """Texts of other lengths have their slots elsewhere: after the exchange the partner's logits return."""
    batch = batch_of(network, TEXTS, [0, 1, 0])
    partner = [1, 2, 0]
    states = network.layers(network.states(batch.rows), batch.rows.attention, 0, layer)
    other = torch.tensor(mixada.partner_rows(batch.owner.tolist(), partner))
    mixed, attention = mixada.mix(states, batch.rows, other, 0.0)
    scores = network.scores(network.layers(mixed, attention, layer, network.num_layers), batch.rows)
    expected = text_logits(network, batch)[partner]
    assert torch.allclose(pool_rows(scores, batch.owner, 3), expected, atol=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_text_mixed_with_itself_stays_as_it_is(network: Any, layer: int) -> None:
    batch = batch_of(network, TEXTS, [0, 1, 0])
    clean_loss, mixed = mixada.losses(network, batch, layer, 0.3, [0, 1, 2])
    assert float(mixed) == pytest.approx(float(clean_loss), abs=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_mixed_logits_depend_on_the_second_text(network: Any, layer: int) -> None:
    """Only the second text changes, and neither labels nor the first text: the first one's mixed scores do change."""
    found = []
    for second in ("the acting is dull", "a wonderful tender tale"):
        batch = batch_of(network, (TEXTS[0], second), [0, 0])
        states = network.layers(network.states(batch.rows), batch.rows.attention, 0, layer)
        other = torch.tensor(mixada.partner_rows(batch.owner.tolist(), [1, 0]))
        mixed, attention = mixada.mix(states, batch.rows, other, 0.7)
        scores = network.scores(network.layers(mixed, attention, layer, network.num_layers), batch.rows)
        found.append(pool_rows(scores, batch.owner, 2)[0])
    assert not torch.allclose(found[0], found[1], atol=1e-4)


class Flat(nn.Module):
    """Two layers that add one each, and a linear read-out at the slot: mixing can be followed by hand."""

    num_layers = 2
    pad_id = 0

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(9, 3)
        self.out = nn.Linear(3, 2)

    def states(self, rows: RowBatch, embeddings: Any = None) -> torch.Tensor:
        return self.words(rows.ids)

    def layers(self, states: torch.Tensor, attention: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        return states + (stop - start)

    def scores(self, states: torch.Tensor, rows: RowBatch) -> torch.Tensor:
        return self.out(states[torch.arange(len(states)), rows.slot])


def rows_of(*listed: tuple[list[int], int]) -> RowBatch:
    return pad([Row(ids, slot=slot) for ids, slot in listed], 0)


def test_under_a_linear_read_out_logits_are_mixed_too() -> None:
    torch.manual_seed(0)
    network, labels = Flat(), torch.tensor([0, 1])
    batch = TrainingBatch(rows_of(([1, 2, 3], 2), ([4, 5], 0)), torch.tensor([0, 1]), labels)
    z = network.scores(network.layers(network.states(batch.rows), batch.rows.attention, 0, 2), batch.rows)
    for layer in (0, 1, 2):
        clean_loss, mixed = mixada.losses(network, batch, layer, 0.8, [1, 0])
        log_share = (0.8 * z + 0.2 * z[[1, 0]]).log_softmax(-1)
        targets = torch.tensor([[0.8, 0.2], [0.2, 0.8]])
        expected = (targets * (targets.log() - log_share)).sum(-1).mean()
        assert float(mixed) == pytest.approx(float(expected), abs=1e-6)
        assert float(clean_loss) == pytest.approx(float(nn.functional.cross_entropy(z, labels)), abs=1e-6)


def test_positions_of_either_text_count_and_slots_meet() -> None:
    rows = rows_of(([1, 2, 3, 4], 3), ([5, 6], 1))
    states = torch.arange(8.0).reshape(2, 4, 1)  # 0 1 2 3 | 4 5 6 7, the last two of the second row are padding
    mixed, attention = mixada.mix(states, rows, torch.tensor([1, 0]), 0.5)
    # First row: its slot 3 meets the partner's slot 1, so the partner reads 4 7 6 5. Second row: the same, mirrored.
    assert mixed[:, :, 0].tolist() == [[2.0, 4.0, 4.0, 4.0], [2.0, 4.0, 4.0, 4.0]]
    assert attention.tolist() == [[1, 1, 1, 1], [1, 1, 1, 1]]
    _, first = mixada.mix(states, rows, torch.tensor([1, 0]), 1.0)
    _, second = mixada.mix(states, rows, torch.tensor([1, 0]), 0.0)
    assert first.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert second.tolist() == [[1, 0, 0, 1], [1, 1, 1, 1]]
    same_slot = rows_of(([1, 2, 3], 0), ([5], 0), ([6, 7], 0))
    _, union = mixada.mix(torch.zeros(3, 3, 1), same_slot, torch.tensor([1, 2, 0]), 0.5)
    assert union.tolist() == [[1, 1, 1], [1, 1, 0], [1, 1, 1]]


def test_rows_of_one_template_are_partners() -> None:
    assert mixada.partner_rows([0, 0, 1, 1, 2, 2], [1, 2, 0]) == [2, 3, 4, 5, 0, 1]
    assert mixada.partner_rows([0, 0, 0, 1], [1, 0]) == [3, 3, 3, 0]


def test_layers_are_scaled_to_the_depth_at_hand() -> None:
    scaled = {depth: [mixada.scaled_layer(layer, 12, depth) for layer in (7, 9, 12)] for depth in (12, 6, 24, 2, 1)}
    assert scaled == {12: [7, 9, 12], 6: [4, 5, 6], 24: [14, 18, 24], 2: [1, 2, 2], 1: [1, 1, 1]}
    with pytest.raises(ValidationError, match=r"0\.\.12"):
        mixada.MixAdaOptions(layers=(13,))
    assert mixada.MixAdaOptions(layers=(20,), depth=24).layers == (20,)


def test_a_batch_is_the_sum_of_both_terms_under_drawn_mixes(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network()
    batch = batch_of(network, TEXTS, [0, 1, 0])
    drawn: list[tuple[int, float, list[int]]] = []
    real = mixada.losses

    def watched(net: Any, given_batch: Any, layer: int, share: float, partner: list[int]) -> Any:
        drawn.append((layer, share, list(partner)))
        return real(net, given_batch, layer, share, partner)

    monkeypatch.setattr(mixada, "losses", watched)
    run = mixada.MIXADA.begin(context(network), mixada.MixAdaOptions(weight=0.5, alpha=2.0))
    for _ in range(300):
        network.zero_grad()
        loss = run.backward(batch)
    with torch.no_grad():
        clean_loss, mixed = real(network, batch, *drawn[-1])
    assert loss == pytest.approx(float(clean_loss + 0.5 * mixed), abs=1e-6)
    assert all(p.grad is not None for name, p in network.named_parameters() if name.startswith("out"))
    assert all(sorted(partner) == [0, 1, 2] for _, _, partner in drawn)
    assert len({tuple(partner) for _, _, partner in drawn}) == 6
    assert {layer for layer, _, _ in drawn} == {1, 2}
    shares = torch.tensor([share for _, share, _ in drawn])
    assert float(shares.mean()) == pytest.approx(0.5, abs=4 * math.sqrt(0.05 / 300))
    assert float(shares.var()) == pytest.approx(0.05, rel=0.3)  # Beta(2, 2): 1 / (4 (2 alpha + 1))


def test_mixada_trains_and_its_seed_decides() -> None:
    ends = []
    for seed in (1, 1, 2):
        network = tiny_network()
        fit = fit_context(TRAIN, (), seed, adversary=FakeAdversary())
        options = mixada.MixAdaOptions(number=4)
        log = train(network, begin(mixada.MIXADA, options), fit, Training(epochs=2, learning_rate=1e-3, batch_size=8))
        assert log.steps == 6
        ends.append(network.out.weight.detach().clone())
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
