"""bf16 answers: part of the identity, the same in every batch, from the same checkpoint, and never in gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_leaderboard_page import SUITE, fill
from test_plan import SMOKE_KEYS

from benchmark.agreement import agreements
from benchmark.api import CompleteDefense, NoOptions, Task
from benchmark.choice import selected
from benchmark.cli.run import with_set
from benchmark.data.source import sources_of
from benchmark.errors import BadOptions
from benchmark.fit.classifier import NetworkClassifier
from benchmark.hookspecs import hookimpl
from benchmark.leaderboard.prose import method_section
from benchmark.leaderboard.selection import NothingToPublish, frozen_changes, select
from benchmark.plan import Plan, make_plan
from benchmark.registry import Registry, load_registry
from benchmark.resources import open_resources
from benchmark.store import Store
from benchmark.suite import Inference, Suite
from benchmark.worker import FitJob, Workbench
from benchmark_plugins.defenses.heads import mlp, mvp
from benchmark_plugins.models import tiny_random

TASK = Task("toy", ("negative", "positive"), 32)
BF16 = Inference(precision="bf16")
TEXTS = ["good", "", "a dull film", "so so", "[MASK]", "a fine film", "the plot is thin but the acting is warm", "x"]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Any:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(base: Any, head: str) -> Any:
    import torch

    torch.manual_seed(0)
    return mlp.build(base, TASK, NoOptions()) if head == "mlp" else mvp.build(base, TASK, mvp.MvpOptions())


@pytest.fixture(scope="module", params=["mlp", "mvp"])
def network(request: pytest.FixtureRequest) -> Any:
    return build(tiny_random.load(None), request.param)  # type: ignore[arg-type]


def in_bf16(suite: Suite) -> Suite:
    return suite.model_copy(update={"inference": BF16})


def smoke(registry: Registry, suite: Suite, *defenses: str) -> Plan:
    chosen = selected(registry, suite, defenses=defenses)
    return make_plan(registry, chosen, sources_of(registry, chosen))


def test_a_suite_that_names_bf16_has_other_cells_of_the_same_victims() -> None:
    registry = load_registry()
    suite = registry.suite("smoke")
    plain, cast = smoke(registry, suite), smoke(registry, in_bf16(suite))
    assert "inference" not in suite.model_dump(mode="json")
    assert [cell.key for cell in plain.cells] == list(SMOKE_KEYS.values())
    assert not {cell.key for cell in plain.cells} & {cell.key for cell in cast.cells}
    assert [cell.victim.key for cell in plain.cells] == [cell.victim.key for cell in cast.cells]
    assert {str(cell.file.spec["inference"]) for cell in cast.cells} == {"{'precision': 'bf16'}"}
    named = suite.model_copy(update={"inference": Inference(precision="fp32")})
    assert [cell.key for cell in smoke(registry, named).cells] == list(SMOKE_KEYS.values())


def test_a_complete_defense_is_not_said_to_compute_in_bf16() -> None:
    @hookimpl
    def register_defenses(register: Callable[[object], None]) -> None:
        register(CompleteDefense(name="whole", fit=None, save=None, load=None))  # type: ignore[arg-type]

    registry = load_registry({"stranger": SimpleNamespace(register_defenses=register_defenses)})
    suite = registry.suite("smoke")
    assert {cell.reason for cell in smoke(registry, suite, "whole").cells} == {None}
    reasons = {str(cell.reason) for cell in smoke(registry, in_bf16(suite), "whole").cells}
    assert len(reasons) == 1
    assert "its own arithmetic" in reasons.pop()


def test_a_page_does_not_mix_arithmetics_and_names_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(store)
    with pytest.raises(NothingToPublish, match="0 of them fit"):
        select(in_bf16(SUITE), store)
    assert frozen_changes(SUITE, in_bf16(SUITE)) == ["inference"]
    assert "bf16" in " ".join(method_section(in_bf16(SUITE)))
    assert "bf16" not in " ".join(method_section(SUITE))


def test_set_reaches_the_table() -> None:
    suite = load_registry().suite("smoke")
    assert with_set(suite, ["inference.precision=bf16"]) == in_bf16(suite)
    assert with_set(suite, ["training.epochs=1"]).training.epochs == 1
    with pytest.raises(BadOptions, match=r"inference\.precision: Input should be 'fp32' or 'bf16'"):
        with_set(suite, ["inference.precision=fp8"])


def test_bf16_logits_are_float32_near_the_fp32_ones_and_not_them(network: Any) -> None:
    exact, cast = (NetworkClassifier(network, precision=p).logits(TEXTS) for p in ("fp32", "bf16"))
    assert cast.dtype == np.float32
    assert 0 < np.abs(exact - cast).max() < 0.1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=40), batch_rows=st.integers(1, 40))
def test_a_text_has_the_same_bf16_logits_in_every_company(network: Any, chosen: list[int], batch_rows: int) -> None:
    alone = np.concatenate([NetworkClassifier(network, precision="bf16").logits([text]) for text in TEXTS])
    together = NetworkClassifier(network, batch_rows, "bf16").logits([TEXTS[i] for i in chosen])
    np.testing.assert_array_equal(together, alone[chosen])


@pytest.mark.slow
@pytest.mark.parametrize("head", ["mlp", "mvp"])
def test_the_same_of_a_real_model(head: str) -> None:
    classifier = NetworkClassifier(build(open_resources(progress=False).fresh_model("minilm-mlm"), head), 32, "bf16")
    texts = [*TEXTS, *(" ".join(["an", "uneven", "film"] * n) for n in range(1, 12))]
    alone = np.concatenate([classifier.logits([text]) for text in texts])
    for company in (texts, texts[::-1][::-1], texts * 3, [text for text in texts for _ in range(5)]):
        found = classifier.logits(company)
        np.testing.assert_array_equal(found, alone[[texts.index(text) for text in company]])


def test_gradients_stay_in_fp32(network: Any) -> None:
    exact, cast = (NetworkClassifier(network, precision=p).gradients("a dull film", 1) for p in ("fp32", "bf16"))
    np.testing.assert_array_equal(exact.gradients, cast.gradients)


def test_precisions_share_a_checkpoint_and_not_a_probe(tmp_path: Path) -> None:
    registry = load_registry()
    suite = selected(registry, registry.suite("smoke"), defenses=("mlp+temperature",))
    suite = suite.model_copy(update={"training": suite.training.model_copy(update={"epochs": 2})})
    victim = make_plan(registry, suite, sources_of(registry, suite)).ready[0].victim
    benches = [Workbench(each, tmp_path, registry) for each in (in_bf16(suite), suite, in_bf16(suite))]
    logs = [bench.run(FitJob(victim), lambda kind, value: None) for bench in benches]
    assert [log["loaded"] for log in logs] == [False, True, True]
    assert logs[0]["probe"] == logs[2]["probe"] != logs[1]["probe"]
    found = [bench.victim(victim, lambda share, text: None).classifier.logits(TEXTS) for bench in benches]
    np.testing.assert_array_equal(found[0], found[2])
    assert (found[0] != found[1]).any()


def test_agreement_counts_rows_of_the_test_part(tmp_path: Path) -> None:
    registry = load_registry()
    suite = selected(registry, registry.suite("smoke"), defenses=("mlp",))
    suite = suite.model_copy(update={"training": suite.training.model_copy(update={"epochs": 2})})
    plan = make_plan(registry, suite, sources_of(registry, suite))
    (found,) = agreements(plan, tmp_path, registry)
    logits = {}
    for each in (suite, in_bf16(suite)):
        bench = Workbench(each, tmp_path, registry)
        rows = bench.sources["toy-reviews"].clean_rows(bench.parts("toy-reviews"))
        classifier = bench.victim(plan.ready[0].victim, lambda share, text: None).classifier
        logits[each.inference.precision] = np.concatenate([classifier.logits([row.text]) for row in rows])
    assert found.rows == len(rows) > 0
    assert found.equal == sum(a.argmax() == b.argmax() for a, b in zip(*logits.values(), strict=True))
    assert found.right["fp32"] == sum(z.argmax() == row.label for z, row in zip(logits["fp32"], rows, strict=True))
    assert found.largest == pytest.approx(np.abs(logits["fp32"] - logits["bf16"]).max(), abs=1e-5)
    assert 0 < found.mean <= found.largest
