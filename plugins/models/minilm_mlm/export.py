"""Write the head file that ships from a pre-training checkpoint: bf16, only the tensors that were trained.

``python -m benchmark_plugins.models.minilm_mlm.export CHECKPOINT_FOLDER`` puts ``minilm_mlm.safetensors`` and
``pretraining_log.jsonl`` beside this module. Embeddings and frozen layers are the archive's own and left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path


def export(checkpoint: Path, into: Path) -> Path:
    """Write both files into a folder and return the head's path; raises SystemExit without a checkpoint."""
    import torch
    from safetensors.torch import load_file, save_file

    if not (checkpoint / "state.json").exists():
        raise SystemExit(f"{checkpoint} holds no checkpoint; run benchmark_plugins.models.minilm_mlm.pretrain first")
    state = json.loads((checkpoint / "state.json").read_text())
    frozen = tuple(f"bert.encoder.layer.{n}." for n in range(state["recipe"]["frozen_layers"]))
    tensors = load_file(checkpoint / f"model.{state['step']}.safetensors")
    kept = {k: v.to(torch.bfloat16).contiguous() for k, v in sorted(tensors.items()) if not k.startswith(frozen)}
    tokens = state["step"] * state["recipe"]["batch_tokens"]
    path = into / "minilm_mlm.safetensors"
    save_file(kept, path, metadata={"steps": str(state["step"]), "tokens": str(tokens)})
    shutil.copyfile(checkpoint / "log.jsonl", into / "pretraining_log.jsonl")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    export(args.checkpoint, args.into)


if __name__ == "__main__":
    main()
