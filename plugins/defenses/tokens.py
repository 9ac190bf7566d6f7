"""Texts to token ids such that no text can forge a special token of the model."""

from __future__ import annotations

import re
from typing import Any


class TextTokenizer:
    """Token ids of user texts, without special tokens around them.

    A text may hold the strings of special tokens. The unknown and the mask string stand for "a word is hidden here"
    (attacks ask so which words matter) and become the unknown id; all others are read as plain characters. So the only
    mask id of a row is the one that a template put there.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        hidden = [token for token in (tokenizer.unk_token, tokenizer.mask_token) if token]
        self._hidden = re.compile("|".join(re.escape(token) for token in hidden)) if hidden else None

    def __call__(self, text: str, leading_space: bool = False) -> list[int]:
        """Ids of ``text``. ``leading_space`` says that a word precedes it, which byte-level vocabularies tell apart."""
        if leading_space:
            text = " " + text
        if self._hidden is None:
            return self._plain(text)
        ids: list[int] = []
        for number, piece in enumerate(self._hidden.split(text)):
            if number:
                ids.append(self._tokenizer.unk_token_id)
            ids += self._plain(piece.rstrip()) if piece.strip() else []
        return ids

    def _plain(self, text: str) -> list[int]:
        encoded = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(encoded["input_ids"])


def pieces(tokenizer: Any, word: str) -> list[str]:
    """The tokens of a word as it stands inside a sentence (after a space)."""
    ids = TextTokenizer(tokenizer)(word, leading_space=True)
    return list(tokenizer.convert_ids_to_tokens(ids))
