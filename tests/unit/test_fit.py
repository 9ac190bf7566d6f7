"""The training loop, its determinism, and checkpoints, on the tiny random model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from fitting import TASK, begin, fit_context, simple, toy, train_on

from benchmark.api import Example, Head, NoOptions, RowBatch, TrainingBatch
from benchmark.errors import AssetCorrupt, BenchError, NotApplicable, StoreError
from benchmark.fit.checkpoint import SIDECAR, WEIGHTS, load_network, save_network
from benchmark.fit.classifier import NetworkClassifier
from benchmark.fit.compose import parse_name
from benchmark.fit.loop import evaluation_steps, make_optimizer, rate
from benchmark.fit.modes import frozen
from benchmark.fit.victim import fit_or_load
from benchmark.registry import Plugin, Registered, Registry
from benchmark.suite import Training
from benchmark_plugins import defenses
from benchmark_plugins.defenses.heads import mlp, mvp
from benchmark_plugins.defenses.objectives import clean
from benchmark_plugins.models import tiny_random

FAST = Training(epochs=6, learning_rate=3e-3, batch_size=8, evaluations_per_epoch=1)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(head: Head, seed: int = 0) -> Any:
    import torch

    torch.manual_seed(seed)
    options = mvp.MvpOptions(training_templates="random") if head is mvp.MVP else NoOptions()
    return head.build(tiny_random.load(None), TASK, options)  # type: ignore[arg-type]


def weights(network: Any) -> dict[str, Any]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    import torch

    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def fit(network: Any, training: Training = FAST, seed: int = 1, backward: Any = clean.backward, rows: int = 96) -> Any:
    return train_on(network, simple(backward), toy(rows, 1), toy(40, 2), training, seed)


@pytest.mark.parametrize("head", [mlp.MLP, mvp.MVP], ids=lambda head: head.name)
def test_a_separable_toy_set_is_learnt(head: Head) -> None:
    network = build(head)
    log = fit(network, rows=192)
    unseen = toy(60, 3)
    predicted = NetworkClassifier(network).logits([e.text for e in unseen]).argmax(1)
    assert sum(int(p) == e.label for p, e in zip(predicted, unseen, strict=True)) / 60 >= 0.95
    losses = [e.loss for e in log.validation]
    assert losses[-1] < 0.5 * losses[0]
    assert log.best_validation_accuracy == max(e.accuracy for e in log.validation)
    assert (log.steps, log.epochs, log.precision, log.stopped_early) == (
        24 * 6,
        6.0,
        "fp32",
        False,
    ) or log.stopped_early


@pytest.mark.parametrize("head", [mlp.MLP, mvp.MVP], ids=lambda head: head.name)
def test_the_seed_decides_every_bit_of_the_weights(head: Head) -> None:
    short = FAST.model_copy(update={"epochs": 1})
    runs = []
    for seed, stream in ((1, 5), (1, 6), (2, 5)):
        import torch

        network = build(head)
        torch.manual_seed(stream)
        expected = torch.rand(1)
        torch.manual_seed(stream)
        log = fit(network, short, seed)
        assert torch.equal(torch.rand(1), expected), "training must leave the caller's stream alone"
        runs.append((weights(network), [dataclasses.asdict(e) for e in log.validation], log.tokens))
    assert same(runs[0][0], runs[1][0])
    assert runs[0][1:] == runs[1][1:]
    assert not same(runs[0][0], runs[2][0])


def test_without_epochs_no_weight_is_touched() -> None:
    network = build(mvp.MVP)
    before = weights(network)

    def forbidden(*_: Any) -> float:
        raise AssertionError("the objective must not be asked")

    log = fit(network, Training(epochs=0), backward=forbidden)
    assert same(before, weights(network))
    assert (log.steps, log.tokens, log.epochs, len(log.validation)) == (0, 0, 0.0, 1)
    assert log.best_validation_accuracy == log.validation[0].accuracy
    assert not network.training


class Scripted:
    """An objective that moves one bias by hand, so that validation accuracy follows a script."""

    def __init__(self, winners: list[int]) -> None:
        self.winners, self.calls = winners, 0

    def __call__(self, network: Any, batch: TrainingBatch, options: Any, generator: Any) -> float:
        import torch

        with torch.no_grad():
            network.out.weight.zero_()
            network.out.bias.zero_()
            network.out.bias[self.winners[self.calls]] = 1 + self.calls
        self.calls += 1
        return 1.0


def scripted(winners: list[int], patience: int) -> tuple[Any, Any]:
    network = build(mlp.MLP)
    validation = [Example(str(i), "a film", int(i < 3)) for i in range(4)]  # class 1 is right on 3 of 4
    training = Training(epochs=len(winners), batch_size=8, evaluations_per_epoch=1, patience=patience)
    log = train_on(network, simple(Scripted(winners)), toy(8, 1), validation, training, 0)
    return network, log


def test_the_earliest_best_evaluation_is_restored() -> None:
    network, log = scripted([0, 1, 0, 1, 0], patience=9)
    assert [e.accuracy for e in log.validation] == [0.25, 0.75, 0.25, 0.75, 0.25]
    assert (log.best_step, log.best_validation_accuracy, log.stopped_early) == (2, 0.75, False)
    assert network.out.bias.tolist() == [0.0, 2.0]


def test_patience_counts_evaluations_that_are_not_better() -> None:
    network, log = scripted([1, 0, 1, 1, 1, 1], patience=2)
    assert (log.steps, log.best_step, log.stopped_early) == (3, 1, True)
    assert network.out.bias.tolist() == [0.0, 1.0]


def test_patience_that_runs_out_at_the_very_end_is_no_early_stop() -> None:
    assert not scripted([1, 0, 0], patience=2)[1].stopped_early


def test_a_loss_that_is_not_finite_stops_with_the_step() -> None:
    with pytest.raises(BenchError, match="nan at step 1"):
        fit(build(mlp.MLP), backward=lambda *_: float("nan"))


def test_no_training_rows_is_an_error() -> None:
    with pytest.raises(BenchError, match="no training rows"):
        train_on(build(mlp.MLP), begin(clean.CLEAN), [], toy(4, 1), FAST, 0)


def test_a_class_without_training_rows_is_named() -> None:
    rows = [example for example in toy(8, 1) if example.label == 0]
    with pytest.raises(BenchError, match=r"'toy' has no training row of class 'positive'.*train_rows"):
        train_on(build(mlp.MLP), begin(clean.CLEAN), rows, toy(4, 1), FAST, 0)


def test_a_gradient_that_is_not_finite_stops_before_the_weights_are_touched() -> None:
    network = build(mlp.MLP)
    before = weights(network)

    def backward(network: Any, batch: Any, options: Any, generator: Any) -> float:
        (network.out.bias.sum() * float("inf")).backward()
        return 1.0

    with pytest.raises(BenchError, match="gradient is not finite at step 1"):
        fit(network, backward=backward)
    assert same(before, weights(network))


def test_an_objective_may_bring_parameters_and_change_the_examples_of_an_epoch() -> None:
    import torch

    from benchmark.api import ObjectiveRun

    seen: list[tuple[int, int]] = []

    class Growing(ObjectiveRun):
        def __init__(self, context: Any) -> None:
            self.context, self.own, self.epoch = context, torch.nn.Parameter(torch.ones(2)), 0

        def parameters(self) -> Any:
            return [self.own]

        def examples(self, epoch: int, train: Any) -> Any:
            assert self.context.classifier().logits(["a film"]).shape == (1, 2)
            self.epoch = epoch
            return [*train, *toy(8 * epoch, 9)]

        def backward(self, batch: TrainingBatch) -> float:
            assert self.context.network.training
            assert len(batch.texts) == len(batch.labels)
            seen.append((self.epoch, len(batch.labels)))
            loss = (self.own**2).sum()
            loss.backward()
            return float(loss.detach())

    made: list[Growing] = []

    def start_run(context: Any) -> Growing:
        assert (context.epochs, context.steps_per_epoch) == (2, 2)
        made.append(Growing(context))
        return made[0]

    training = Training(epochs=2, batch_size=8, learning_rate=0.1, warmup=0.0)
    log = train_on(build(mlp.MLP), start_run, toy(16, 1), [], training, 0)
    assert [sum(n for e, n in seen if e == epoch) for epoch in (0, 1)] == [16, 24]
    assert (log.steps, log.epochs) == (5, 2.5)
    assert made[0].own.max() < 1


def test_an_edit_changes_training_texts_and_nothing_else() -> None:
    from benchmark_plugins.defenses.objectives.clean import CLEAN

    seen: list[str] = []

    def edit(text: str, rng: Any) -> str:
        seen.append(text)
        return "an ugly film" if rng.random() < 0.5 else text

    train_on(build(mlp.MLP), begin(CLEAN), toy(16, 1), toy(8, 2), FAST.model_copy(update={"epochs": 2}), 0, edit)
    assert sorted(seen) == sorted([e.text for e in toy(16, 1)] * 2)


def test_bf16_training_computes_in_bf16_and_keeps_weights_and_predictions_in_fp32() -> None:
    import torch

    network = build(mlp.MLP)
    kinds: set[Any] = set()
    hook = network.dense.register_forward_hook(lambda module, given, result: kinds.add((module.training, result.dtype)))
    training = FAST.model_copy(update={"epochs": 1, "precision": "bf16"})
    log = fit(network, training)
    hook.remove()
    assert kinds == {(True, torch.bfloat16), (False, torch.float32)}
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert log.precision == "bf16"
    assert "forward" not in vars(network)
    other = build(mlp.MLP)
    fit(other, FAST.model_copy(update={"epochs": 1}))
    far = max(float((a - b).abs().max()) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    assert 0 < far < 0.05


@pytest.mark.parametrize("head", [mlp.MLP, mvp.MVP], ids=lambda head: head.name)
def test_frozen_embeddings_stay_and_everything_else_is_trained(head: Head) -> None:
    import torch

    network = build(head)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    fit(network, FAST.model_copy(update={"epochs": 1, "frozen_embeddings": True}))
    table = network.word_embeddings()
    assert table.requires_grad
    for name, parameter in network.named_parameters():
        unmoved = torch.equal(before[name], parameter)
        # A key's bias adds the same to every attention score of a query: its gradient is zero but for rounding.
        assert unmoved == (parameter is table) or name.endswith("key.bias"), name


def test_a_network_without_a_table_cannot_keep_it() -> None:
    class Plain:
        pass

    with pytest.raises(NotApplicable, match="word_embeddings"), frozen(Plain()):
        raise AssertionError("not reached")


def test_without_validation_rows_the_last_weights_stay() -> None:
    network = build(mlp.MLP)
    before = weights(network)
    training = FAST.model_copy(update={"epochs": 1})
    log = train_on(network, begin(clean.CLEAN), toy(16, 1), [], training, 0)
    assert log.best_validation_accuracy is None
    assert (log.best_step, log.validation) == (log.steps, ())
    assert not same(before, weights(network))


def test_the_clean_loss_is_cross_entropy_of_the_mean_over_rows() -> None:
    """Two texts of two rows each, checked against logs written out by hand."""
    import math

    import torch

    scores = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 0.0], [0.0, 2.0]], requires_grad=True)
    rows = RowBatch(*[torch.zeros(4, 1, dtype=torch.long)] * 5)
    batch = TrainingBatch(rows, torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1]))
    loss = clean.backward(lambda rows: scores, batch, NoOptions(), torch.Generator())
    first, second = math.log(1 + math.exp(-2)), math.log(1 + math.exp(-1))
    assert loss == pytest.approx((first + second) / 2)
    share = (1 / (1 + math.exp(2))) / 2 / 2  # (1 - p) over 2 texts and 2 rows
    assert scores.grad is not None
    assert scores.grad[0].tolist() == pytest.approx([-share, share])


def test_learning_rate_rises_and_falls_linearly() -> None:
    middles = [(step + 0.5) / 10 for step in range(10)]
    assert [rate(done, 0.2) for done in middles] == pytest.approx(
        [0.25, 0.75, 15 / 16, 13 / 16, 11 / 16, 9 / 16, 7 / 16, 5 / 16, 3 / 16, 1 / 16]
    )
    assert [rate(done, 0.0) for done in (0.125, 0.375, 0.625, 0.875)] == pytest.approx([0.875, 0.625, 0.375, 0.125])


@pytest.mark.parametrize(("steps", "evaluations", "expected"), [(10, 2, {5, 10}), (7, 3, {3, 5, 7}), (1, 4, {1})])
def test_evaluations_are_spread_over_an_epoch(steps: int, evaluations: int, expected: set[int]) -> None:
    assert evaluation_steps(steps, evaluations) == expected


def test_biases_and_layer_norms_do_not_decay() -> None:
    network = build(mlp.MLP)
    free = {
        id(p)
        for g in make_optimizer([network.parameters()], FAST).param_groups
        if not g["weight_decay"]
        for p in g["params"]
    }
    named = dict(network.named_parameters())
    assert free == {id(p) for name, p in named.items() if name.endswith("bias") or "LayerNorm" in name}
    assert len(free) < len(named)


@pytest.mark.parametrize("head", [mlp.MLP, mvp.MVP], ids=lambda head: head.name)
def test_a_checkpoint_brings_back_every_weight(tmp_path: Path, head: Head) -> None:
    import torch

    network, other = build(head, 1), build(head, 2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.25)
    save_network(network, tmp_path / "a" / "victim", {"note": 1})
    assert load_network(other, tmp_path / "a" / "victim") == {"note": 1}
    assert same(weights(network), weights(other))
    if head is mvp.MVP:
        assert other.model.get_output_embeddings().weight is other.model.get_input_embeddings().weight
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["victim"], "nothing is left beside it"
    save_network(other, tmp_path / "a" / "victim", {"note": 2})
    assert load_network(network, tmp_path / "a" / "victim") == {"note": 2}


@pytest.mark.parametrize("damage", ["bit", "cut", "gone", "sidecar", "surplus", "other"])
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "victim"
    save_network(build(mlp.MLP), folder, {})
    file = folder / WEIGHTS
    content = bytearray(file.read_bytes())
    if damage == "bit":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "cut":
        file.write_bytes(content[:-1])
    elif damage == "gone":
        file.unlink()
    elif damage == "sidecar":
        (folder / SIDECAR).write_text("{")
    elif damage == "surplus":
        (folder / "odd").write_text("")
    network = build(mvp.MVP if damage == "other" else mlp.MLP)
    with pytest.raises(AssetCorrupt, match="fitted again"):
        load_network(network, folder)


def test_a_checkpoint_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    class Unwritable:
        def state_dict(self) -> Any:
            raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        save_network(Unwritable(), tmp_path / "victim", {})
    assert list(tmp_path.iterdir()) == []


def builtin_registry() -> Registry:
    found: list[Registered] = []
    plugin = Plugin("builtin", "test", "1")
    defenses.register_defenses(lambda item: found.append(Registered("defense", item.name, item, plugin)))
    return Registry(found)


def test_a_composed_defense_is_fitted_once_loaded_after_and_refitted_when_damaged(tmp_path: Path) -> None:
    composition = parse_name("mvp", builtin_registry())
    assert (composition.head, composition.objective) == (mvp.MVP, clean.CLEAN)
    folder = tmp_path / "key"

    def run() -> tuple[Any, dict[str, Any]]:
        base = tiny_random.load(None)  # type: ignore[arg-type]
        training = FAST.model_copy(update={"epochs": 1})
        options = {"mvp": {"templates": 1}}
        return fit_or_load(composition, options, fit_context(toy(16, 1), toy(8, 2), 3, base=base), training, folder)

    first, log = run()
    second, again = run()
    assert (log["loaded"], again["loaded"], again["discarded"]) == (False, True, None)
    assert json.loads(json.dumps(log["training"])) == again["training"]
    assert first.logits(["a sweet film"]).tolist() == second.logits(["a sweet film"]).tolist()
    assert second.forwards_per_prediction == 1

    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 4
    (folder / WEIGHTS).write_bytes(content)
    third, repaired = run()
    assert not repaired["loaded"]
    assert "damaged" in repaired["discarded"]
    assert third.logits(["a sweet film"]).tolist() == first.logits(["a sweet film"]).tolist()
