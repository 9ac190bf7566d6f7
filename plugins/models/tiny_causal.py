"""``tiny-causal``: a GPT-2 of 2 layers and 32 dimensions with fixed random weights; for tests of causal models.

It needs no asset. Vocabulary and pieces are those of ``tiny-random``; there is no first token, ``[SEP]`` ends a text,
and ``[MASK]`` is a word of the vocabulary like any other.
"""

from __future__ import annotations

from benchmark import Capability, MaskedLanguageModel, Model, ModelRole, Resources
from benchmark_plugins.models.tiny_random import vocabulary
from benchmark_plugins.models.tokenizers import wordpiece

REVISION = "1"
"""Raised with every change of the vocabulary, the sizes or the seed."""

SEED = 20230308


def load(resources: Resources) -> MaskedLanguageModel:
    """The network, the same on every call, and its tokenizer. ``resources`` is not used."""
    import torch
    from transformers import AutoModelForCausalLM, GPT2Config, PreTrainedTokenizerFast

    vocab = vocabulary()
    backend = wordpiece(vocab)
    config = GPT2Config(
        vocab_size=len(vocab),
        n_positions=256,
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_inner=64,
        initializer_range=0.1,
        bos_token_id=vocab["[SEP]"],
        eos_token_id=vocab["[SEP]"],
        pad_token_id=vocab["[PAD]"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=config.n_positions,
        pad_token="[PAD]",
        unk_token="[UNK]",
        eos_token="[SEP]",
        mask_token="[MASK]",
    )
    return MaskedLanguageModel(network.eval(), tokenizer)


MODEL = Model(
    name="tiny-causal",
    role=ModelRole.CAUSAL_LM,
    revision=REVISION,
    load=load,
    offers=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.MASK_TOKEN}),
    about="a random GPT-2 of 2 layers and 32 dimensions; its scores mean nothing, it makes tests fast",
)
