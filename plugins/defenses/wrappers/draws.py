"""Seeds of randomised wrappers: a function of what they are made of, the same on every machine and in every process."""

from __future__ import annotations

import hashlib
import json


def stable_seed(*parts: str | int) -> int:
    """A seed in [0, 2**64) from names and numbers: the first 8 bytes of the sha256 of their JSON list."""
    text = json.dumps(list(parts), ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8], "big")
