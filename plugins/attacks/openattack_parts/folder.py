"""Folders of trained networks that a user names: safetensors, JSON and text, checked before anything runs on them.

Nothing here can run code of a file. Every fault is a BadOptions that names the file and what is wrong with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BadOptions

if TYPE_CHECKING:
    import torch

HINT = "docs/attacks/openattack.md says what the folder holds"
OPTIONAL = "num_batches_tracked"
"""Ends the name of a counter that batch normalisation needs for training only; torch before 0.4.1 has none."""


def fault(path: Path, what: str) -> BadOptions:
    """The error about a file."""
    return BadOptions(f"{path}: {what}", HINT)


def lacking(folder: str, files: Iterable[str]) -> list[str]:
    """The files that are not there."""
    return [name for name in files if not Path(folder, name).is_file()]


def file_digest(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(folder: str, files: Iterable[str]) -> str:
    """sha256 over the names and the contents of these files, in hex; the folder's own name stays out."""
    listed = {name: file_digest(Path(folder, name)) for name in files}
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode("ascii")).hexdigest()


def read_text(path: Path) -> str:
    """The file as UTF-8 with its line ends as they are. Raises BadOptions."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise fault(path, "is not UTF-8") from None
    except OSError as problem:
        raise fault(path, f"cannot be read ({problem.strerror})") from None


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object. Raises BadOptions."""
    try:
        found = json.loads(read_text(path))
    except ValueError as problem:
        raise fault(path, f"is not JSON ({problem})") from None
    if not isinstance(found, dict):
        raise fault(path, "is not a JSON object")
    return found


def read_sizes(path: Path, found: Any, keys: tuple[str, ...], where: str = "") -> dict[str, int]:
    """Exactly these keys with whole numbers from 1 up. Raises BadOptions that names the key."""
    if not isinstance(found, Mapping):
        raise fault(path, f"{where.rstrip('.') or 'it'} is not an object")
    for key in keys:
        if key not in found:
            raise fault(path, f"lacks '{where}{key}'")
        if type(found[key]) is not int or found[key] < 1:
            raise fault(path, f"'{where}{key}' is not a whole number from 1 up")
    if unknown := sorted(set(found) - set(keys)):
        raise fault(path, f"has the unknown key '{where}{unknown[0]}'")
    return {key: found[key] for key in keys}


def read_vocabulary(path: Path, needed: Iterable[str]) -> dict[str, int]:
    """Words and their numbers: each of 0 to N-1 once, with the ``needed`` words among them. Raises BadOptions."""
    found = read_object(path)
    if any(type(number) is not int for number in found.values()):
        raise fault(path, "has a word whose number is not a whole number")
    if sorted(found.values()) != list(range(len(found))):
        raise fault(path, f"does not use each number from 0 to {len(found) - 1} once")
    if missing := [word for word in needed if word not in found]:
        raise fault(path, f"lacks the word '{missing[0]}'")
    return found


def fill(module: torch.nn.Module, path: Path) -> None:
    """Put the tensors of a safetensors file into a module, for inference: eval mode, no gradients.

    Raises BadOptions unless names, shapes and types are the module's own and every number is finite.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = load_file(path)
    except (SafetensorError, OSError) as problem:
        raise fault(path, f"is not a safetensors file ({problem})") from None
    wanted = module.state_dict()
    if missing := [name for name in wanted if name not in found and not name.endswith(OPTIONAL)]:
        raise fault(path, f"lacks the tensor '{missing[0]}'")
    if unknown := sorted(set(found) - set(wanted)):
        raise fault(path, f"has the unknown tensor '{unknown[0]}'")
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            raise fault(path, f"'{name}' has shape {list(tensor.shape)}, not {list(wanted[name].shape)}")
        if tensor.dtype != wanted[name].dtype:
            raise fault(path, f"'{name}' is {tensor.dtype}, not {wanted[name].dtype}")
        if not bool(torch.isfinite(tensor).all()):  # a network that answers NaN would look like robustness
            raise fault(path, f"'{name}' has numbers that are not finite")
    module.load_state_dict({**wanted, **found})
    module.eval().requires_grad_(False)
