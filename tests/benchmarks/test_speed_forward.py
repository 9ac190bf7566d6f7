"""Texts to logits: with rows of all lengths in one pass, with rows of one length in each, and the bare encoder.

On one thread; ``--benchmark-timer=time.process_time`` leaves out what other programs take.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import groupby
from typing import Any

import pytest

from benchmark.api import NoOptions, Task, pad_rows
from benchmark.fit.classifier import NetworkClassifier

TEXTS, ROUNDS = 64, 7
TASK = Task("reviews", ("negative", "positive"), 96)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def texts(resources: Any, registry: Any) -> list[str]:
    """Film reviews of 10 to 40 words."""
    rows = registry.get("dataset", "rotten_tomatoes").item.load(resources).test
    return [row.text for row in rows if 10 <= len(row.text.split()) <= 40][:TEXTS]


def network(head: str, resources: Any) -> Any:
    """An untrained head on the real model: weights do not change the time."""
    from benchmark_plugins.defenses.heads import mlp, mvp

    base = resources.fresh_model("minilm-mlm")
    made = mlp.build(base, TASK, NoOptions()) if head == "mlp" else mvp.build(base, TASK, mvp.MvpOptions(templates=2))
    return made.eval()


@pytest.mark.parametrize("number", [1, 8, TEXTS])
@pytest.mark.parametrize("way", ["engine", "equal lengths", "bare encoder"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("head", ["mlp", "mvp"])
def test_forward(
    benchmark: Any, head: str, precision: Any, way: str, number: int, texts: list[str], resources: Any
) -> None:
    import torch

    made = network(head, resources)
    chosen = texts[:number]
    rows = sorted((row for text in chosen for row in made.rows(text)), key=lambda row: len(row.ids))
    batches = [pad_rows(list(same), made.pad_id) for _, same in groupby(rows, key=lambda row: len(row.ids))]
    cast = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()

    def bare() -> None:
        with torch.inference_mode(), cast:
            for batch in batches:
                made.encode(batch)

    if way == "equal lengths":
        made.unpadded = lambda rows: None
    classifier = NetworkClassifier(made, precision=precision)
    benchmark.group = f"forward {head} {precision} {number}"
    benchmark.pedantic(
        bare if way == "bare encoder" else lambda: classifier.logits(chosen), rounds=ROUNDS, warmup_rounds=1
    )
    tokens = sum(len(row.ids) for row in rows)
    seconds = benchmark.stats.stats.median
    benchmark.extra_info |= {"kind": "forward", "tokens": tokens, "tokens_per_second": round(tokens / seconds)}
