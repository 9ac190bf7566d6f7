"""Write the head file that ships from a pre-training checkpoint: bf16, only the tensors that were trained.

``python -m benchmark_plugins.models.minilm_mlm.export CHECKPOINT`` puts ``minilm_mlm.safetensors`` and
``pretraining_log.jsonl`` beside this module. Embeddings and frozen layers are the archive's own and left out. For a
second stage, ``--continued-from`` names the head file it started from: steps and tokens of both are added up, and its
log goes on where the log beside that file ends.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def export(checkpoint: Path, into: Path, continued_from: Path | None = None) -> Path:
    """Write both files into a folder and return the head's path; raises SystemExit without a checkpoint."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    if not (checkpoint / "state.json").exists():
        raise SystemExit(f"{checkpoint} holds no checkpoint; run benchmark_plugins.models.minilm_mlm.pretrain first")
    state = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    steps, tokens = state["step"], state["step"] * state["recipe"]["batch_tokens"]
    log = (checkpoint / "log.jsonl").read_text(encoding="utf-8")
    if continued_from:
        with safe_open(continued_from, framework="pt") as head:
            before = head.metadata() or {}
        if not {"steps", "tokens"} <= before.keys():
            raise SystemExit(f"{continued_from} does not say its steps and tokens; give a file that export wrote")
        steps, tokens = steps + int(before["steps"]), tokens + int(before["tokens"])
        log = continued_from.with_name("pretraining_log.jsonl").read_text(encoding="utf-8") + log
    frozen = tuple(f"bert.encoder.layer.{n}." for n in range(state["recipe"]["frozen_layers"]))
    tensors = load_file(checkpoint / f"model.{state['step']}.safetensors")
    kept = {k: v.to(torch.bfloat16).contiguous() for k, v in sorted(tensors.items()) if not k.startswith(frozen)}
    path = into / "minilm_mlm.safetensors"
    save_file(kept, path, metadata={"steps": str(steps), "tokens": str(tokens)})
    (into / "pretraining_log.jsonl").write_text(log, encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--continued-from", type=Path, help="the head file that a second stage started from")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    export(args.checkpoint, args.into, args.continued_from)


if __name__ == "__main__":
    main()
