"""Convex hulls of synonyms' embeddings, laid over the rows of texts: shared by ``ascc`` and ``dne``.

A word of a text takes part when it is one token there and at least one substitute is one token in the same surface
form (case, and with a space before it where the vocabulary tells that apart). Template words, special tokens and words
of several tokens are left as they are. A word's weights are shared by all rows of its text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice, product
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark import COLUMN_SEPARATOR, RowBatch, SynonymTable
from benchmark_plugins.defenses.heads.tokens import TextTokenizer
from benchmark_plugins.defenses.words import WORD, candidates

if TYPE_CHECKING:
    import torch

CHUNK = re.compile(r"\s*\S+")
"""What a tokenizer never joins with its neighbours, together with the whitespace before it."""
TEXTS, PARTS = 512, 65_536
"""Texts, and words or chunks, whose tokens are remembered."""


class Place(NamedTuple):
    """A word that is one token: its index among the tokens of its column, and whether a space belongs to it."""

    token: int
    word: str
    spaced: bool


class Column(NamedTuple):
    """Token ids of a column, and its words in order (None: of several tokens)."""

    ids: tuple[int, ...]
    words: tuple[Place | None, ...]


class Vertices(NamedTuple):
    """Token ids of a word and its substitutes in the two forms of a column; ``second`` marks those of second order."""

    ids: tuple[tuple[int, ...], tuple[int, ...]]
    second: tuple[bool, ...]


class Hull(NamedTuple):
    """A word that takes part: its column, its token there in both forms, and its vertices (the first is itself)."""

    column: int
    token: tuple[int, int]
    vertices: Vertices


class TextHulls(NamedTuple):
    """A text: each column in two forms (as it stands, and after a space), and the words that take part, in order."""

    columns: tuple[tuple[Column, Column], ...]
    hulls: tuple[Hull, ...]


class HullBatch(NamedTuple):
    """Hulls over a batch of rows: ``W`` words of the texts, ``Q`` mixtures (a word in a surface form), ``P`` positions.

    A word has up to ``s`` vertices; all tensors are long unless said otherwise.
    """

    valid: torch.Tensor
    """``[W, s]``, bool: which vertices there are. The first always is: the word itself."""
    second: torch.Tensor
    """``[W, s]``, bool: which are of second order."""
    text: torch.Tensor
    """``[W]``: index of the word's text. Words of a text stand together, in order."""
    lengths: torch.Tensor
    """``[B]``: tokens of each text before any cut, one at least."""
    ids: torch.Tensor
    """``[Q, s]``: token ids of the vertices, 0 where there is none."""
    word: torch.Tensor
    """``[Q]``: which word."""
    row: torch.Tensor
    """``[P]``."""
    position: torch.Tensor
    """``[P]``."""
    mixture: torch.Tensor
    """``[P]``: which mixture stands there."""

    def mixed(self, base: torch.Tensor, vertices: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """``base [R, L, d]`` with sum_k weights_k vertices_k at the words' positions.

        ``vertices [Q, s, d]`` are the embeddings of :attr:`ids`, ``weights [W, s]`` lie on the simplex.
        """
        mixtures = (weights[self.word].unsqueeze(-1) * vertices).sum(dim=1)
        return base.index_put((self.row, self.position), mixtures[self.mixture])

    def embeddings(self, network: Any, rows: RowBatch, weights: torch.Tensor) -> torch.Tensor:
        """:meth:`mixed` over the network's own embeddings, attached to the graph."""
        return self.mixed(network.embed(rows.ids), network.embed(self.ids), weights)


def simplex(logits: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Softmax ``[W, s]`` over the valid vertices; exactly 0 on the others, in value and gradient."""
    return logits.masked_fill(~valid, float("-inf")).softmax(dim=-1)


class Hulls:
    """Hulls of texts under one tokenizer and one table.

    ``limit`` is the most vertices of a word, itself included; ``second_order`` adds neighbours of neighbours.
    """

    def __init__(self, tokenizer: Any, table: SynonymTable, limit: int, second_order: bool = False) -> None:
        self._tokens = TextTokenizer(tokenizer)
        self._unknown: int | None = tokenizer.unk_token_id
        self._table, self._limit, self._second_order = table, limit, second_order
        self.of = lru_cache(TEXTS)(self._of)
        self._chunk = lru_cache(PARTS)(self._read_chunk)
        self._token = lru_cache(PARTS)(self._one_token)
        self._vertices = lru_cache(PARTS)(self._find_vertices)

    def _of(self, text: str) -> TextHulls:
        """The hulls of a text (cached as ``of``)."""
        columns = tuple((self._read(part, False), self._read(part, True)) for part in text.split(COLUMN_SEPARATOR))
        hulls: list[Hull] = []
        for number, (plain, spaced) in enumerate(columns):
            for a, b in zip(plain.words, spaced.words, strict=True):
                found = None if a is None or b is None else self._vertices(a.word, a.spaced, b.spaced)
                if found is not None:
                    assert a is not None
                    assert b is not None
                    hulls.append(Hull(number, (a.token, b.token), found))
        return TextHulls(columns, tuple(hulls))

    def _read(self, column: str, leading: bool) -> Column:
        ids: list[int] = []
        words: list[Place | None] = []
        for number, chunk in enumerate(CHUNK.findall(column)):
            found = self._chunk(chunk, leading and not number)
            words += [None if place is None else place._replace(token=place.token + len(ids)) for place in found.words]
            ids += found.ids
        return Column(tuple(ids), tuple(words))

    def _read_chunk(self, chunk: str, leading: bool) -> Column:
        text = " " + chunk if leading else chunk
        ids = self._tokens(text)
        words: list[Place | None] = []
        for match in WORD.finditer(text):
            start, stop = match.span()
            spaced = start > 0 and text[start - 1] == " "
            after = self._tokens(text[stop:])
            place = len(ids) - len(after) - 1
            # What comes after must be tokens of its own: an ending may have joined the word.
            whole = place >= 0 and ids[place] == self._token(match[0], spaced) and ids[place + 1 :] == after
            words.append(Place(place, match[0], spaced) if whole else None)
        return Column(tuple(ids), tuple(words))

    def _one_token(self, word: str, spaced: bool) -> int | None:
        ids = self._tokens(word, leading_space=spaced)
        return ids[0] if len(ids) == 1 and ids[0] != self._unknown else None

    def _find_vertices(self, word: str, *spaced: bool) -> Vertices | None:
        """The first ``limit`` vertices that are one token in both forms; None when there is only the word."""
        own = tuple(self._token(word, form) for form in spaced)
        found: dict[tuple[int | None, ...], bool] = {own: False}
        for name, second in candidates(self._table, word, self._second_order):
            pair = tuple(self._token(name, form) for form in spaced)
            if None not in pair:
                found.setdefault(pair, second)
        kept = list(islice(found.items(), self._limit))
        if len(kept) < 2:
            return None
        plain, after_space = zip(*(pair for pair, _ in kept), strict=True)
        return Vertices((plain, after_space), tuple(second for _, second in kept))

    def batch(self, rows: RowBatch, texts: Sequence[str], owner: Sequence[int]) -> HullBatch:
        """The hulls of ``rows``; row r is of ``texts[owner[r]]``. A row that was not made of the tokens of its text
        (a head with a tokenizer of its own) takes no part."""
        import torch

        found = [self.of(text) for text in texts]
        start = [0]
        for one in found:
            start.append(start[-1] + len(one.hulls))
        mixtures: dict[tuple[int, tuple[int, ...]], int] = {}
        placed: list[tuple[int, int, int]] = []
        for number, (index, ids) in enumerate(zip(rows.text.tolist(), rows.ids.tolist(), strict=True)):
            one = found[owner[number]]
            at = {token: position for position, token in enumerate(index) if token >= 0}
            forms = _forms(one, {token: ids[position] for token, position in at.items()})
            if forms is None:
                continue
            first = _starts(one, forms)
            for place, hull in enumerate(one.hulls, start[owner[number]]):
                form = forms[hull.column]
                position = at.get(first[hull.column] + hull.token[form])
                if position is not None:
                    key = (place, hull.vertices.ids[form])
                    placed.append((number, position, mixtures.setdefault(key, len(mixtures))))
        hulls = [hull for one in found for hull in one.hulls]
        width = max((len(hull.vertices.second) for hull in hulls), default=1)

        def table(lists: Sequence[Sequence[int]], dtype: torch.dtype) -> torch.Tensor:
            made = [[*values, *[0] * (width - len(values))] for values in lists]
            return torch.tensor(made, dtype=dtype, device=rows.ids.device).reshape(-1, width)

        def vector(values: Sequence[int]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.long, device=rows.ids.device)

        return HullBatch(
            valid=table([[1] * len(hull.vertices.second) for hull in hulls], torch.bool),
            second=table([hull.vertices.second for hull in hulls], torch.bool),
            text=vector([number for number, one in enumerate(found) for _ in one.hulls]),
            lengths=vector([max(1, sum(len(plain.ids) for plain, _ in one.columns)) for one in found]),
            ids=table([ids for _, ids in mixtures], torch.long),
            word=vector([word for word, _ in mixtures]),
            row=vector([row for row, _, _ in placed]),
            position=vector([position for _, position, _ in placed]),
            mixture=vector([mixture for _, _, mixture in placed]),
        )


def _starts(text: TextHulls, forms: Sequence[int]) -> list[int]:
    """Index of the first token of each column, and of the end, where column n has form ``forms[n]``."""
    starts = [0]
    for column, form in zip(text.columns, forms, strict=True):
        starts.append(starts[-1] + len(column[form].ids))
    return starts


def _forms(text: TextHulls, tokens: dict[int, int]) -> tuple[int, ...] | None:
    """The form of each column in a row whose text tokens are ``tokens`` (index to id); None when none fits."""
    choices = [(0,) if plain.ids == spaced.ids else (0, 1) for plain, spaced in text.columns]
    for forms in product(*choices):
        expected = [token for column, form in zip(text.columns, forms, strict=True) for token in column[form].ids]
        if all(index < len(expected) and expected[index] == token for index, token in tokens.items()):
            return forms
    return None
