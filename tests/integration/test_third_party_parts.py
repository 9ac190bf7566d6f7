"""Heads, objectives and wrappers of an installed package compose with the built-in ones, and core is not touched."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SWAP_ATTACK, write_plugin

Bench = Callable[..., "subprocess.CompletedProcess[str]"]

PARTS = '''
"""A stranger's head (mean over the embeddings), objective (label smoothing), and wrapper (upper case is shouted)."""
from benchmark import (
    Capability, Head, Objective, Options, Row, Stage, Wrapper, hookimpl, text_logits,
)
from pydantic import Field


def build(base, task, options):
    import torch
    from torch import nn

    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.pad_id = base.tokenizer.pad_token_id
            self.embedding = base.network.get_input_embeddings()
            self.out = nn.Linear(self.embedding.embedding_dim, len(task.label_names))

        def rows(self, text, rng=None):
            ids = base.tokenizer(text, add_special_tokens=False)["input_ids"][: task.max_length]
            return [Row(ids or [self.pad_id])]

        def embed(self, ids):
            return self.embedding(ids)

        def forward(self, rows, embeddings=None):
            vectors = self.embedding(rows.ids) if embeddings is None else embeddings
            weight = rows.attention[..., None].to(vectors.dtype)
            return self.out((vectors * weight).sum(1) / weight.sum(1))

    return Bag()


class Smooth(Options):
    amount: float = Field(0.1, ge=0, lt=1, description="probability given to all labels alike")


def backward(network, batch, options, generator):
    import torch

    loss = torch.nn.functional.cross_entropy(text_logits(network, batch), batch.labels, label_smoothing=options.amount)
    loss.backward()
    return float(loss.detach())


class Quiet:
    def __init__(self, inner):
        self.inner, self.forwards_per_prediction = inner, inner.forwards_per_prediction

    def logits(self, texts):
        return self.inner.logits([text.replace("!", "") for text in texts])


@hookimpl
def register_defenses(register):
    offers = frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS})
    register(Head("bag", build, offers=offers, about="mean of the word embeddings, linear"))
    register(Objective("smooth", backward, options=Smooth, about="label smoothing"))
    register(Wrapper("quiet", lambda context, options: Quiet(context.inner), Stage.TEXT,
                     about="drops exclamation marks", edit=lambda text, rng, context, options: text.replace("!", "")))
'''


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    write_plugin(tmp_path / "plugins", "bench-letterswap", SWAP_ATTACK)
    return write_plugin(tmp_path / "plugins", "bench-strangers", PARTS)


@pytest.mark.slow
def test_a_strangers_parts_compose_with_the_built_in_ones(bench: Bench, plugins: Path, tmp_path: Path) -> None:
    names = [
        "bag+pgd",
        "mlp+smooth+temperature",
        "mvp[templates=1]+quiet",
        "bag[]+smooth[amount=0.2]+quiet",
        "mlp+pgd+quiet",
    ]
    chosen = [word for name in names for word in ("-d", name)]
    done = bench("run", "--suite", "smoke", *chosen, "-a", "letterswap", "--limit", "2", plugins=plugins)
    assert done.returncode == 0, done.stderr
    files = [json.loads(path.read_text()) for path in (tmp_path / "cache" / "store" / "cells").glob("*/cell.json")]
    parts = {file["defense"]: [p["name"] for p in file["spec"]["victim"]["defense"]["parts"]] for file in files}
    assert parts == {
        "bag+pgd": ["bag", "pgd"],
        "mlp+smooth+temperature": ["mlp", "smooth", "temperature"],
        "mvp[templates=1]+quiet": ["mvp", "clean", "quiet"],
        "bag+smooth[amount=0.2]+quiet": ["bag", "smooth", "quiet"],
        "mlp+pgd+quiet": ["mlp", "pgd", "quiet"],
    }
    origins = {p["name"]: p["plugin"] for f in files for p in f["spec"]["victim"]["defense"]["parts"]}
    assert origins["bag"] == origins["quiet"] == "bench-strangers 1.0"
    assert origins["mlp"] == origins["pgd"] != origins["bag"]


def test_what_cannot_be_composed_is_said_before_anything_trains(bench: Bench, plugins: Path) -> None:
    done = bench("run", "--suite", "smoke", "-d", "bag+infobert", "-d", "mlp+pgd+dne", "--dry-run", plugins=plugins)
    assert done.returncode == 0, done.stderr
    assert "'infobert' needs hidden-states, which the head does not offer" in done.stdout
    assert "'pgd' and 'dne' both change the embeddings in training" in done.stdout


def test_strangers_are_in_the_list_with_slot_needs_and_offers(bench: Bench, plugins: Path) -> None:
    done = bench("list", "--defenses", "--json", plugins=plugins)
    assert done.returncode == 0, done.stderr
    listed = {item["name"]: item for item in json.loads(done.stdout)["items"]}
    assert (listed["bag"]["slot"], listed["bag"]["offers"]) == ("head", ["embeddings", "gradients"])
    assert listed["smooth"]["options"]["amount"]["default"] == 0.1
    assert (listed["quiet"]["slot"], listed["quiet"]["randomised"]) == ("wrapper", False)


@pytest.mark.slow
def test_a_strangers_attack_trains_a_defense_within_the_contract(bench: Bench, plugins: Path, tmp_path: Path) -> None:
    """`ada` attacks with whatever is registered; attack, contract and encoder are part of the victim's identity."""
    name = "mlp+ada[attack=letterswap,number=6]"
    done = bench("run", "--suite", "smoke", "-d", name, "-a", "letterswap", "--limit", "1", plugins=plugins)
    assert done.returncode == 0, done.stderr
    files = [json.loads(path.read_text()) for path in (tmp_path / "cache" / "store" / "cells").glob("*/cell.json")]
    (defense,) = {json.dumps(file["spec"]["victim"]["defense"], sort_keys=True) for file in files}
    spec = json.loads(defense)
    assert [attack["plugin"] for attack in spec["attacks"]] == ["bench-letterswap 1.0"]
    assert spec["contract"]["name"] == "smoke"
    refused = bench("run", "--suite", "smoke", "-d", "mlp+ada[attack=letterswop]", "--dry-run", plugins=plugins)
    assert "'ada' needs the attack 'letterswop', which no plugin registers" in " ".join(refused.stdout.split())
