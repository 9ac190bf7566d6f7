"""The built-in models: the sentence encoder's cache, ``minilm-mlm``'s refusals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmark import Model, ModelRole
from benchmark.errors import AssetCorrupt, AssetMissing
from benchmark_plugins.models import sentence_encoder
from benchmark_plugins.models.minilm_mlm import load as minilm


class Counting:
    """A backend that maps a text to (its length, 1) and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: list[str]) -> Any:
        self.asked += texts
        return np.array([[np.nan if text == "nan" else len(text), 0.0 if text == "" else 1.0] for text in texts])


def test_vectors_are_cached_ordered_and_of_length_one() -> None:
    backend = Counting()
    encoder = sentence_encoder.CachedEncoder(backend, capacity=2)
    found = encoder.encode(["aaa", "b", "aaa"])
    assert found.tolist() == pytest.approx(np.array([[3, 1], [1, 1], [3, 1]]) / np.sqrt([[10], [2], [10]]))
    encoder.encode(["aaa"])
    encoder.encode(["cc"])  # the least recently used, "b", makes room
    encoder.encode(["aaa"])
    encoder.encode(["b"])
    assert backend.asked == ["aaa", "b", "cc", "b"]
    assert len(encoder._cache) == 2
    assert encoder.encode([]).shape == (0, 2)


def test_a_list_longer_than_the_cache_is_answered_whole() -> None:
    texts = [str(n) * n for n in range(1, 9)]
    encoder = sentence_encoder.CachedEncoder(Counting(), capacity=3)
    np.testing.assert_array_equal(encoder.encode(texts), sentence_encoder.CachedEncoder(Counting()).encode(texts))


@pytest.mark.parametrize("text", ["", "nan"])
def test_a_vector_without_direction_becomes_an_axis(text: str) -> None:
    assert sentence_encoder.CachedEncoder(Counting()).encode(["b", text])[1].tolist() == [1.0, 0.0]


def test_a_missing_head_is_named_and_is_an_identity_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(minilm.OVERRIDE, str(tmp_path / "none.safetensors"))
    item = minilm.model()
    assert item.revision.endswith("head:missing")
    with pytest.raises(AssetMissing, match=r"none\.safetensors, which BENCH_MINILM_HEAD names"):
        item.load(None)  # type: ignore[arg-type]


def test_another_head_is_another_identity_and_no_head_changes_unseen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "head.safetensors"
    monkeypatch.setenv(minilm.OVERRIDE, str(file))
    file.write_bytes(b"one")
    first = minilm.model()
    file.write_bytes(b"two")
    assert minilm.model().revision != first.revision
    with pytest.raises(AssetCorrupt, match="changed while the program ran"):
        first.load(None)  # type: ignore[arg-type]


class FakeArchive:
    """Resources that hold an encoder archive of the real one's layout, made from the tiny model."""

    def __init__(self, network: Any, tokenizer: Any) -> None:
        import torch
        from safetensors.torch import save

        body = {name.removeprefix("bert."): t for name, t in network.state_dict().items() if name.startswith("bert.")}
        body |= {"pooler.dense.weight": torch.zeros(2), "pooler.dense.bias": torch.zeros(2)}
        tokenizer.backend_tokenizer.enable_truncation(4)
        tokenizer.backend_tokenizer.enable_padding(length=9)
        self.members = {
            "config.json": network.config.to_json_string().encode(),
            "model.safetensors": save({name: tensor.contiguous() for name, tensor in body.items()}),
            "tokenizer.json": tokenizer.backend_tokenizer.to_str().encode(),
        }

    def read(self, asset: Any, member: str) -> bytes:
        return self.members[member.removeprefix(minilm.FOLDER)]


def shipped(network: Any) -> dict[str, Any]:
    """What the head file holds: encoder layers, transform and bias, in bf16; shifted, to be told from the archive's."""
    import torch

    state = network.state_dict()
    names = [n for n in state if n.startswith(("bert.encoder.", "cls.predictions.transform", "cls.predictions.bias"))]
    return {name: (state[name] + 0.5).to(torch.bfloat16).contiguous() for name in names}


def test_minilm_takes_body_and_head_from_the_file_and_embeddings_from_the_archive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    from benchmark_plugins.models import tiny_random

    tiny = tiny_random.load(None)  # type: ignore[arg-type]
    tensors = shipped(tiny.network)
    save_file(tensors, tmp_path / "head.safetensors")
    monkeypatch.setenv(minilm.OVERRIDE, str(tmp_path / "head.safetensors"))
    loaded = minilm.model().load(FakeArchive(tiny.network, tiny.tokenizer))  # type: ignore[arg-type]
    state = loaded.network.state_dict()
    for name, tensor in tensors.items():
        assert torch.equal(state[name], tensor.float()), name
    for name, tensor in tiny.network.state_dict().items():
        if name.startswith("bert.embeddings."):
            assert torch.equal(state[name], tensor), name
    head = loaded.network.cls.predictions
    assert head.decoder.weight is loaded.network.bert.embeddings.word_embeddings.weight
    assert torch.equal(head.decoder.bias, tensors["cls.predictions.bias"].float())
    assert all(tensor.dtype == torch.float32 for tensor in state.values())
    assert not loaded.network.training
    assert loaded.network.config._attn_implementation == "sdpa"
    assert len(loaded.tokenizer("a " * 30)["input_ids"]) == 32, "neither cut nor padded"


@pytest.mark.parametrize("change", ["missing", "surplus"])
def test_a_head_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str) -> None:
    import torch
    from safetensors.torch import save_file

    from benchmark_plugins.models import tiny_random

    tiny = tiny_random.load(None)  # type: ignore[arg-type]
    tensors = shipped(tiny.network)
    if change == "missing":
        del tensors["cls.predictions.bias"]
    else:
        tensors["cls.predictions.odd"] = torch.zeros(1)
    save_file(tensors, tmp_path / "head.safetensors")
    monkeypatch.setenv(minilm.OVERRIDE, str(tmp_path / "head.safetensors"))
    told = "lack cls.predictions.bias" if change == "missing" else "unknown cls.predictions.odd"
    with pytest.raises(AssetCorrupt, match=told):
        minilm.model().load(FakeArchive(tiny.network, tiny.tokenizer))  # type: ignore[arg-type]


def test_batched_methods_are_asked_through_the_broker_and_the_object_stays_what_it_is() -> None:
    from benchmark.broker.hub import Broker
    from benchmark.resources import BenchResources

    class Encoder:
        dimensions = 1

        def __init__(self) -> None:
            self.asked: list[list[str]] = []

        def encode(self, texts: Sequence[str]) -> np.ndarray:
            self.asked.append(list(texts))
            return np.array([[len(text)] for text in texts], np.float32)

    class OneModel:
        def get(self, kind: str, name: str) -> Any:
            model = Model("e", ModelRole.SENTENCE_ENCODER, "1", lambda resources: Encoder(), batched=("encode",))
            return SimpleNamespace(item=model)

    broker = Broker(2)
    resources = BenchResources(OneModel(), None, broker)  # type: ignore[arg-type]
    encoder = resources.model("e")
    assert isinstance(encoder, Encoder)
    assert (encoder.dimensions, resources.model("e") is encoder) == (1, True)
    assert encoder.encode(["a", "a"]).tolist() == [[1], [1]]
    tasks = [lambda: encoder.encode(["a", "bb"]).tolist(), lambda: encoder.encode(["bb", "ccc"]).tolist()]
    assert [ended.value for ended in broker.run(tasks)] == [[[1], [2]], [[2], [3]]]
    assert encoder.asked == [["a", "a"], ["a", "bb", "ccc"]]
    resources.fresh_model("e").encode(["d"])
    assert encoder.asked[-1] != ["d"]
