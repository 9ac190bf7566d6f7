"""Which device a name means, which card a worker gets, and batches that become smaller until they fit."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from test_classifier import Recorder

from benchmark.api import Row, RowBatch
from benchmark.devices import NAMES, arithmetic, is_out_of_memory, place, resolve, seen, work_clock
from benchmark.errors import BenchError, UnknownName
from benchmark.fit.classifier import NetworkClassifier
from benchmark.pool import Pool
from benchmark.registry import load_registry
from benchmark.resources import BenchResources

LAPTOP, MAC, SERVER = {"cpu": 1}, {"cuda": 0, "mps": 1, "cpu": 1}, {"cuda": 3, "mps": 0, "cpu": 1}


@pytest.mark.parametrize(
    ("name", "found", "kind"),
    [
        ("auto", LAPTOP, "cpu"),
        ("auto", MAC, "mps"),
        ("auto", SERVER, "cuda"),
        ("cpu", SERVER, "cpu"),
        ("cuda", SERVER, "cuda"),
        ("mps", MAC, "mps"),
    ],
)
def test_a_name_is_a_kind_of_device(name: str, found: dict[str, int], kind: str) -> None:
    assert resolve(name, found) == kind


def test_what_is_not_here_is_refused_with_what_is() -> None:
    with pytest.raises(BenchError, match=r"'cuda'.*available: mps, cpu") as caught:
        resolve("cuda", MAC)
    assert "\n" not in caught.value.message
    with pytest.raises(UnknownName, match="no device called 'gpu'"):
        resolve("gpu", SERVER)
    assert set(NAMES) == {"auto", "cpu", "cuda", "mps"}


def test_cards_are_dealt_out_in_turn() -> None:
    dealt = [place("auto", number, SERVER) for number in range(7)]
    assert dealt == ["cuda:0", "cuda:1", "cuda:2", "cuda:0", "cuda:1", "cuda:2", "cuda:0"]
    assert [place("auto", number, MAC) for number in range(3)] == ["mps"] * 3
    assert [place("cpu", number, SERVER) for number in range(3)] == ["cpu"] * 3


def test_this_machine_has_a_cpu() -> None:
    assert seen()["cpu"] == 1
    assert place("auto", 0).partition(":")[0] == resolve("auto")


def report(connection: Any, number: int, start: int) -> None:
    """A worker that tells its number, and dies where the job says so."""
    while True:
        job, word = connection.recv()
        if word == "die":
            raise SystemExit(3)
        connection.send((job, "done", start + number))


def test_work_on_a_cpu_is_timed_by_the_processor_and_elsewhere_by_the_wall() -> None:
    import time

    name, processor = work_clock("cpu")
    other, wall = work_clock("cuda")
    began, wall_began = processor(), wall()
    time.sleep(0.3)
    idle, passed = processor() - began, wall() - wall_began
    assert (name, other) == ("processor", "wall")
    assert idle < 0.15 < 0.3 <= passed + 0.01


def test_workers_have_numbers_and_one_that_is_replaced_keeps_its_own() -> None:
    def answers(pool: Pool, words: Sequence[str]) -> list[Any]:
        for number, word in enumerate(words):
            pool.submit(number, word)
        found: dict[int, Any] = {}
        while len(found) < len(words):
            found |= {event.number: event.value if event.kind == "done" else event.kind for event in pool.events()}
        return [found[number] for number in range(len(words))]

    with Pool(2, report, (10,)) as pool:
        assert sorted(answers(pool, ["say", "say"])) == [10, 11]
        assert "failed" in answers(pool, ["die", "say"])
        assert sorted(answers(pool, ["say", "say"])) == [10, 11]


def test_base_models_are_put_on_the_device_and_nothing_else_is() -> None:
    resources = BenchResources(load_registry(), None, device="meta")  # type: ignore[arg-type]
    assert {parameter.device.type for parameter in resources.model("tiny-random").network.parameters()} == {"meta"}
    assert BenchResources(load_registry(), None).model("tiny-random").network.device.type == "cpu"  # type: ignore[arg-type]


def test_a_device_without_bf16_is_refused_and_takes_fp32() -> None:
    import torch

    arithmetic(torch.device("meta"), "fp32")
    with pytest.raises(BenchError, match="meta does not compute in bf16"):
        arithmetic(torch.device("meta"), "bf16")


# --- memory ---------------------------------------------------------------------------------------------------------


class Small(Recorder):
    """A network with memory for ``room`` tokens at a time."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.fewest_rows, self.tried = room, 1, []  # type: ignore[var-annotated]

    def spend(self, rows: int, tokens: int) -> None:
        import torch

        self.tried.append(rows)
        if tokens > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore words")

    def __call__(self, rows: RowBatch, embeddings: Any = None) -> Any:
        self.spend(len(rows.ids), rows.ids.numel())
        return super().__call__(rows, embeddings)


class SmallUnpadded(Small):
    """The same, for rows of any lengths."""

    def unpadded(self, rows: Sequence[Row]) -> Any:
        import torch

        self.spend(len(rows), sum(len(row.ids) for row in rows))
        return torch.tensor([[float(len(row.ids)), -float(len(row.ids))] for row in rows])


TEXTS = ["a" * length for length in (3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8)]


@pytest.mark.parametrize("kind", [Small, SmallUnpadded])
@pytest.mark.parametrize("room", [12, 13, 30, 60, 10_000])
def test_batches_are_halved_until_they_fit_and_the_answers_are_the_same(kind: type[Small], room: int) -> None:
    network = kind(room)
    classifier = NetworkClassifier(network, batch_rows=16)
    expected = [[len(text) + 2.0, -len(text) - 2.0] for text in TEXTS]
    assert classifier.logits(TEXTS).tolist() == expected
    assert classifier.logits(TEXTS).tolist() == expected
    if room == 12:
        assert classifier.batch_rows == 1, "the longest row just fits"
    if room == 10_000:
        assert classifier.batch_rows == 16


def test_a_size_that_failed_is_not_tried_again() -> None:
    network = SmallUnpadded(30)
    classifier = NetworkClassifier(network, batch_rows=16)
    classifier.logits(TEXTS)
    network.tried.clear()
    classifier.logits(TEXTS)
    assert max(network.tried) <= classifier.batch_rows < 16


@pytest.mark.parametrize(
    ("kind", "fewest", "told"),
    [
        (SmallUnpadded, 1, r"batch of 1 x 12 tokens .* memory of cpu \(CUDA out of memory\. Tried to .* GiB\.\)"),
        (Small, 1, "batch of 1 x 12 tokens"),
        (Small, 4, "batch of 4 x 10 tokens"),
    ],
)
def test_the_smallest_batch_that_does_not_fit_is_an_error_with_the_figure(
    kind: type[Small], fewest: int, told: str
) -> None:
    network = kind(11)
    network.fewest_rows = fewest
    with pytest.raises(BenchError, match=told):
        NetworkClassifier(network).logits(["a" * 9] * 8)


def test_other_errors_pass() -> None:
    class Broken(Recorder):
        def __call__(self, rows: RowBatch, embeddings: Any = None) -> Any:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        NetworkClassifier(Broken()).logits(["a"])


def test_what_counts_as_out_of_memory() -> None:
    import torch

    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 4 GB)"))
    assert is_out_of_memory(RuntimeError("[alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes"))


def test_the_real_allocator_is_understood() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert is_out_of_memory(caught.value)


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), [("mps", 1), ("gpu", 2)])
def test_the_command_names_what_there_is(
    bench: Callable[..., subprocess.CompletedProcess[str]], name: str, code: int
) -> None:
    if name in resolve("auto"):
        pytest.skip("this machine has one")
    done = bench("run", "--suite", "smoke", "--device", name)
    assert done.returncode == code
    assert f"'{name}'" in done.stderr
    assert "cpu" in done.stderr
    assert "Traceback" not in done.stderr


def test_logits_are_float32_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = NetworkClassifier(SmallUnpadded(10_000)).logits(TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), 2)
