"""Checkpoints: a folder of safetensors (or a plugin's own files) with a JSON sidecar that carries every sha256.

A folder is written aside and moved into place, so that a checkpoint exists whole or not at all. No pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.errors import AssetCorrupt, StoreError

FORMAT = 1
SIDECAR = "checkpoint.json"
WEIGHTS = "weights.safetensors"


def write_folder(folder: Path, meta: dict[str, Any], fill: Callable[[Path], None]) -> None:
    """Let ``fill(empty folder)`` write the files, add the sidecar with ``meta``, and move all into ``folder``.

    A checkpoint that is there already is replaced. Raises StoreError when the disk refuses.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            content = aside / "new"
            content.mkdir()
            fill(content)
            files = {path.relative_to(content).as_posix(): _sha256(path) for path in _files(content)}
            sidecar = {"format": FORMAT, "files": files, "meta": meta}
            text = json.dumps(sidecar, sort_keys=True, indent=1, allow_nan=False)
            (content / SIDECAR).write_text(text + "\n", encoding="utf-8")
            if folder.exists():
                os.replace(folder, aside / "old")
            os.replace(content, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as problem:
        raise StoreError(
            f"the checkpoint {folder} cannot be written ({problem.strerror or problem})",
            "Free some space or give another cache folder",
        ) from None


def read_meta(folder: Path) -> dict[str, Any]:
    """The sidecar's ``meta`` after every file's sha256 was checked; raises AssetCorrupt."""
    try:
        sidecar = json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
        files, meta = sidecar["files"], sidecar["meta"]
        if sidecar["format"] != FORMAT or not isinstance(meta, dict):
            raise ValueError(f"format {sidecar['format']}, this package reads {FORMAT}")
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise AssetCorrupt(f"the checkpoint {folder} cannot be read ({problem})", _AGAIN) from None
    present = {path.relative_to(folder).as_posix() for path in _files(folder)} - {SIDECAR}
    if present != set(files):
        odd = sorted(present ^ set(files))[0]
        raise AssetCorrupt(f"the checkpoint {folder} lacks or does not know the file {odd}", _AGAIN)
    for name in sorted(files):
        if _sha256(folder / name) != files[name]:
            raise AssetCorrupt(f"{folder / name} is damaged: its sha256 is not the one in {SIDECAR}", _AGAIN)
    return meta


_AGAIN = "It is deleted and the defense is fitted again; if you see this twice, delete the folder"


def save_network(network: Any, folder: Path, meta: dict[str, Any]) -> None:
    """Write the weights (each shared tensor once) and ``meta``."""
    from safetensors.torch import save_model

    write_folder(folder, meta, lambda content: save_model(network, str(content / WEIGHTS)))


def load_network(network: Any, folder: Path) -> dict[str, Any]:
    """Load the weights into ``network`` (of the same shape) and return ``meta``; raises AssetCorrupt."""
    from safetensors.torch import load_model

    meta = read_meta(folder)
    try:
        load_model(network, str(folder / WEIGHTS), strict=True)
    except (RuntimeError, OSError, ValueError) as problem:
        line = str(problem).splitlines()[0]
        raise AssetCorrupt(f"the checkpoint {folder} does not fit the network ({line})", _AGAIN) from None
    network.eval()
    return meta


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
