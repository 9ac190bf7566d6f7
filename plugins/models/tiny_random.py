"""``tiny-random``: a BERT of 2 layers and 32 dimensions with fixed random weights; for suite ``smoke`` and tests.

It needs no asset. The vocabulary is made here: letters, so that no lower-case English word is unknown, and the words
below, so that label words are single tokens.
"""

from __future__ import annotations

from benchmark import Capability, MaskedLanguageModel, Model, ModelRole, Resources

REVISION = "2"
"""Raised with every change of the vocabulary, the sizes or the seed."""

SEED = 20230307

WORDS = """
a about acting actor after again all almost also an and answer any are art as at audience away bad be beautiful
because been before being best better big bland book boring brilliant bright business but by call came can cast charming
city clever code cold come could country dark date day description did director do does down dreadful dull each end
engaging enjoy entertaining even ever every excellent false feel film films fine first flat for forgettable found
friend from full fun funny gentle get give gloomy go good great had happy has have he heart her here him his hollow
hot how human i idea if in into is it its joy just kind know last life like little location lovely long look love made
make man many may me mean mess money more most movie much music must my name negative neutral never new news no not
nothing now number of off old on one only or other our out over pace part people perfect performance person phrase
picture place plain plot politics poor positive question rather read really review right role sad same say scene
science script see she short show simple slow smart so some song sports statement story strong subject such super
sweet take tale tedious tender terrible than that the their them then there these they thing think this those time to
too topic tired town true truly two ugly under up us use very vivid warm was watch way we weak well were what when
where which who why will wise with wonderful word words work world worst would writing wrong year yes you young your
"""


def vocabulary() -> dict[str, int]:
    """Token to id: special tokens, single characters, word endings, words; in this order."""
    from benchmark_plugins.models.tokenizers import SPECIAL_TOKENS

    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    endings = [f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789"]
    tokens = [
        *SPECIAL_TOKENS,
        *characters,
        *endings,
        *(f"##{e}" for e in ("ing", "ed", "ly", "er", "es")),
        *WORDS.split(),
    ]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def load(resources: Resources) -> MaskedLanguageModel:
    """The network, the same on every call, and its tokenizer. ``resources`` is not used."""
    import torch
    from tokenizers import processors
    from transformers import AutoModelForMaskedLM, BertConfig

    from benchmark_plugins.models.tokenizers import bert_tokenizer, wordpiece

    vocab = vocabulary()
    backend = wordpiece(vocab)
    backend.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
        initializer_range=0.1,
        pad_token_id=vocab["[PAD]"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = AutoModelForMaskedLM.from_config(config, attn_implementation="sdpa")
    return MaskedLanguageModel(network.eval(), bert_tokenizer(backend, config.max_position_embeddings))


MODEL = Model(
    name="tiny-random",
    role=ModelRole.MASKED_LM,
    revision=REVISION,
    load=load,
    offers=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES, Capability.MASK_TOKEN}),
    about="a random BERT of 2 layers and 32 dimensions; its scores mean nothing, it makes tests fast",
)
