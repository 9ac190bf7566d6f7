"""Identity: a cell's key is a hash of its canonical specification; seeds derive from (cell, example id).

Device, batch size, worker count and paths stay out. The golden table in ``tests/unit/test_identity.py`` freezes the
function: a change here is a new ``KEY_VERSION``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

KEY_VERSION = 1


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces, ASCII only, no NaN: equal values give equal text on every machine."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def cell_key(spec: dict[str, Any]) -> str:
    """The key of a cell or a victim: 20 hex digits over the key version and the specification."""
    return digest({"key_version": KEY_VERSION, "spec": spec})[:20]


def derive_seed(*parts: str | int) -> int:
    """A seed in [0, 2**32) from names and numbers; the same everywhere, unlike ``hash()``."""
    return int(digest(list(parts))[:8], 16)
