"""Exporting a pre-training checkpoint: what the head file holds, and how a second stage adds to the first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from benchmark_plugins.models.minilm_mlm.export import export


def checkpoint(folder: Path, step: int, value: float, log: str) -> Path:
    """A checkpoint as the trainer saves it, with one frozen layer and 100 tokens a step."""
    folder.mkdir()
    tensors = {
        "bert.encoder.layer.0.weight": torch.zeros(2),
        "bert.encoder.layer.1.weight": torch.full((2,), value),
        "cls.predictions.bias": torch.full((3,), value),
    }
    save_file(tensors, folder / f"model.{step}.safetensors")
    recipe = {"batch_tokens": 100, "frozen_layers": 1}
    (folder / "state.json").write_text(json.dumps({"step": step, "recipe": recipe}))
    (folder / "log.jsonl").write_text(log)
    return folder


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def test_only_trained_tensors_are_written_as_bf16(tmp_path: Path) -> None:
    first = checkpoint(tmp_path / "first", 7, 1.5, "a\n")
    path = export(first, first)
    tensors = load_file(path)
    assert sorted(tensors) == ["bert.encoder.layer.1.weight", "cls.predictions.bias"]
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert metadata(path) == {"steps": "7", "tokens": "700"}


def test_a_second_stage_adds_steps_tokens_and_log_and_ships_its_own_weights(tmp_path: Path) -> None:
    first = checkpoint(tmp_path / "first", 7, 1.5, "a\n")
    head = export(first, first)
    second = checkpoint(tmp_path / "second", 3, 2.5, "b\n")
    out = tmp_path / "out"
    out.mkdir()
    path = export(second, out, head)
    assert metadata(path) == {"steps": "10", "tokens": "1000"}
    assert (out / "pretraining_log.jsonl").read_text() == "a\nb\n"
    assert load_file(path)["cls.predictions.bias"].tolist() == [2.5] * 3


def test_without_a_checkpoint_or_without_metadata_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"minilm_mlm\.pretrain first"):
        export(tmp_path, tmp_path)
    second = checkpoint(tmp_path / "second", 3, 2.5, "b\n")
    stranger = tmp_path / "stranger.safetensors"
    save_file({"cls.predictions.bias": torch.zeros(3)}, stranger)
    with pytest.raises(SystemExit, match="does not say its steps"):
        export(second, tmp_path, stranger)
