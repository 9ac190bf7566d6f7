"""Tokenizers of BERT's kind, with neither truncation nor padding baked in: rows are cut and padded by the harness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def bert_tokenizer(backend: Tokenizer, max_length: int) -> Any:
    """A ``transformers.PreTrainedTokenizerFast`` around ``backend``; ``max_length``: its positions."""
    from transformers import PreTrainedTokenizerFast

    backend.no_truncation()
    backend.no_padding()
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_max_length=max_length, **dict(zip(names, SPECIAL_TOKENS, strict=True))
    )


def wordpiece(vocabulary: dict[str, int]) -> Tokenizer:
    """A lower-casing WordPiece backend over ``vocabulary``, without a post-processor."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return backend
