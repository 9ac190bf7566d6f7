"""``bench profile``: counts by hand, the same records as without it, and the command."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.api import ModelRole, NoOptions, Task
from benchmark.attacking import Execution, side_by_side
from benchmark.choice import selected
from benchmark.cli.profile import only, show
from benchmark.data.source import sources_of
from benchmark.errors import BadOptions, NotApplicable
from benchmark.fit.classifier import NetworkClassifier
from benchmark.meter import Meter, Part
from benchmark.plan import make_plan
from benchmark.profile import RATE_ROWS, MeteredVictim, Observer, Profile, profile
from benchmark.registry import load_registry
from benchmark.resources import BenchResources
from benchmark.worker import Workbench, target_of
from benchmark_plugins.defenses.heads import mlp
from benchmark_plugins.models import tiny_random

TASK = Task("toy", ("negative", "positive"), 32)
TEXTS = ["good", "a film", "good", "the plot", "a film a film"]  # 3, 4, 3, 4 and 6 tokens with the two special ones


def network(eager: bool = False) -> Any:
    import torch

    torch.manual_seed(0)
    made = mlp.build(tiny_random.load(None), TASK, NoOptions()).eval()  # type: ignore[arg-type]
    if eager:  # asked in batches of rows of equal length
        made.body.config._attn_implementation = "eager"
    return made


def test_the_network_is_counted_where_it_is_called() -> None:
    made = network()
    expected = NetworkClassifier(made).logits(TEXTS)
    observer = Observer(Meter())
    observer.network(made)
    np.testing.assert_array_equal(NetworkClassifier(made).logits(TEXTS), expected)
    assert (observer.batches, observer.rows, observer.tokens, observer.computed) == (1, 5, 20, 20)
    assert sorted(map(len, observer.distinct)) == [3, 4, 4, 6], "'good' was asked twice"
    NetworkClassifier(made, batch_rows=2).logits(TEXTS)
    assert (observer.batches, observer.rows, observer.tokens) == (4, 10, 40)
    assert sum(map(len, observer.distinct)) == 17


def test_batches_of_equal_length_are_counted_too_and_padding_is_seen() -> None:
    from benchmark.api import pad_rows

    made = network(eager=True)
    observer = Observer(Meter())
    observer.network(made)
    NetworkClassifier(made).logits(TEXTS)
    assert (observer.batches, observer.rows, observer.tokens, observer.computed) == (3, 5, 20, 20)
    rows = [row for text in ("good", "a film a film") for row in made.rows(text)]
    made(pad_rows(rows, made.pad_id))
    assert (observer.batches, observer.tokens, observer.computed) == (4, 29, 32)
    assert sorted(map(len, observer.distinct)) == [3, 4, 4, 6]


def test_the_rate_is_that_of_full_batches_of_the_mean_length() -> None:
    made = network()
    shapes: list[tuple[int, ...]] = []
    made.body.register_forward_pre_hook(
        lambda module, given, named: shapes.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    observer = Observer(Meter())
    assert observer.rate("fp32", time.perf_counter) is None, "no network was seen"
    observer.network(made)
    NetworkClassifier(made).logits(TEXTS)
    ticks = iter([10.0, 10.4, 10.8, 11.2])
    assert observer.rate("fp32", lambda: next(ticks)) == pytest.approx(3 * RATE_ROWS * 4 / 1.2)
    assert set(shapes) == {(RATE_ROWS, 4)}
    assert observer.batches == 1, "the measurement is not counted"


class Plain:
    """A classifier that others may not write to."""

    __slots__ = ("asked",)
    forwards_per_prediction = 3

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        return np.zeros((len(texts), 2), np.float32)


class Drawing(Plain):
    def redrawn(self, draw: int) -> Drawing:
        self.asked.append(draw)
        return self


def test_a_metered_victim_is_the_victim() -> None:
    meter, inner = Meter(), Drawing()
    victim: Any = MeteredVictim(inner, meter)
    assert victim.logits(["a", "b"]).shape == (2, 2)
    assert victim.redrawn(7).logits(["c"]).shape == (1, 2)
    assert inner.asked == [["a", "b"], 7, ["c"]]
    assert meter.parts["victim"].items == 3
    assert meter.parts["victim"].calls == 2
    assert victim.forwards_per_prediction == 3
    assert victim.logits is victim.logits
    plain: Any = MeteredVictim(Plain(), meter)
    assert not hasattr(plain, "redrawn")
    assert not hasattr(plain, "gradients"), "what a victim does not offer must not be offered"


def test_shared_models_and_tools_are_metered_and_a_victims_own_base_is_not() -> None:
    import torch

    meter = Meter()
    resources = BenchResources(load_registry(), None, watch=Observer(meter))  # type: ignore[arg-type]
    ids = torch.tensor([[2, 7, 3]])
    with torch.inference_mode():
        resources.fresh_model("tiny-random").network(input_ids=ids)
        assert meter.parts == {}
        shared = resources.model("tiny-random").network
        hidden = shared.base_model(input_ids=ids).last_hidden_state
        shared.cls(hidden)
    assert (meter.parts["language model"].calls, list(meter.parts)) == (2, ["language model"])

    class Tagger:
        def tags(self, queries: list[str]) -> list[str]:
            return ["NOUN"] * len(queries)

    tagger = Tagger()
    assert resources.tool("tagging", tagger, ["tags"]) is tagger
    assert tagger.tags(["a", "b"]) == ["NOUN", "NOUN"]
    assert meter.parts["tagging"].items == 2
    assert BenchResources(load_registry(), None).tool("tagging", tagger, ["tags"]) is tagger  # type: ignore[arg-type]


def test_an_encoder_is_metered_below_the_broker() -> None:
    class Encoder:
        def encode(self, texts: Sequence[str]) -> list[str]:
            return list(texts)

    meter, encoder = Meter(), Encoder()
    Observer(meter).model(ModelRole.SENTENCE_ENCODER, encoder)
    assert encoder.encode(["a", "b"]) == ["a", "b"]
    assert meter.parts["sentence encoder"].items == 2


def made_profile(**changed: Any) -> Profile:
    values: dict[str, Any] = {
        "cell": "d/m/a", "key": "k", "device": "cpu", "precision": "fp32", "concurrency": 4, "examples": 2,
        "outcomes": {"held": 2}, "wall": 12.0, "work": 10.0, "parts": {"victim": Part(4.0, 5, 50), "search": Part(6.0)},
        "queries": 200, "texts": 50, "batches": 5, "rows": 80, "tokens": 1600, "computed": 2000,
        "distinct_tokens": 1200, "batch_rows": 32, "rate": 600.0,
    }  # fmt: skip
    return Profile(**{**values, **changed})


def test_what_follows_from_the_figures() -> None:
    assert made_profile().derived == {
        "waiting_seconds": 2.0,
        "tokens_per_second": 400.0,
        "padding_waste": pytest.approx(0.2),
        "batch_fill": 0.5,
        "saved_by_caches": 0.75,
        "floor_seconds": 2.0,
        "work_over_floor": 5.0,
    }
    assert made_profile(texts=203).derived["saved_by_caches"] == 0.0, "the harness asks too"
    unseen = made_profile(batches=0, rows=0, tokens=0, computed=0, distinct_tokens=0, rate=None).derived
    assert {name for name, value in unseen.items() if value is not None} == {"waiting_seconds", "saved_by_caches"}


def test_a_profile_runs_the_cell_as_it_is_and_its_parts_add_up(tmp_path: Path) -> None:
    registry = load_registry()
    suite = selected(registry, registry.suite("smoke"), defenses=("mlp",))
    suite = suite.model_copy(update={"training": suite.training.model_copy(update={"epochs": 4})})
    plan = make_plan(registry, suite, sources_of(registry, suite), 4)
    cell = next(cell for cell in plan.ready if cell.attack)
    execution = Execution(2, None, "cpu")
    found = profile(cell, suite, tmp_path, registry, execution)
    bench = Workbench(suite, tmp_path, registry, execution)
    target = target_of(bench.victim(cell.victim, lambda share, text: None), {}, bench.broker)
    examples = bench.sources["toy-reviews"].attacked(bench.parts("toy-reviews"), cell.ids)
    records = [record for _, record in side_by_side(bench.attack(cell), target, examples, cell.key, None)]
    assert found.outcomes == Counter(str(record.outcome) for record in records)
    assert found.queries == sum(record.queries for record in records) > 0
    assert found.rows == found.texts <= sum(record.forwards for record in records)
    assert found.examples == 4
    assert {"victim", "sentence encoder", "search"} <= set(found.parts)
    assert sum(part.seconds for part in found.parts.values()) == pytest.approx(found.work)
    assert 0 < found.work <= found.wall
    assert all(part.seconds >= 0 for part in found.parts.values())
    assert found.distinct_tokens <= found.tokens == found.computed
    assert 0 < found.derived["batch_fill"] <= 1  # type: ignore[operator]


def test_the_command_prints_json_and_stores_nothing(
    bench: Callable[..., subprocess.CompletedProcess[str]], private_cache: Path
) -> None:
    quick = ("--suite", "smoke", "--set", "training.epochs=1", "--limit", "2", "--device", "cpu")
    done = bench("profile", *quick, "-d", "mlp", "--json", "--set", "inference.precision=bf16")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["cell"] == "toy-reviews/mlp/deepwordbug"
    assert (found["examples"], found["device"], found["precision"]) == (2, "cpu", "bf16")
    assert found["derived"]["work_over_floor"] > 0
    assert not (private_cache / "store").exists()


def test_the_table_has_every_part_and_the_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    show(Console(width=200), made_profile())
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()[2:4]] == ["search", "victim"], "largest first"
    assert "60.0 %" in shown
    assert "work is 5.00 times the floor" in shown
    show(Console(width=200), made_profile(batches=0, rows=0, tokens=0, computed=0, distinct_tokens=0, rate=None))
    assert "no floor" in capsys.readouterr().out


def test_a_profile_is_of_one_cell_that_can_run() -> None:
    registry = load_registry()
    suite = registry.suite("smoke")
    with pytest.raises(BadOptions, match="2 cells were chosen"):
        only(make_plan(registry, suite, sources_of(registry, suite)))
    chosen = selected(registry, suite, defenses=("mlp+ranmask",), attacks=("hotflip",))
    with pytest.raises(NotApplicable, match=r"hotflip is not applicable: .* needs embeddings, gradients"):
        only(make_plan(registry, chosen, sources_of(registry, chosen)))
