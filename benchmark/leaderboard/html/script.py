"""JSON for a place where a browser would run it."""

from __future__ import annotations

import json
from typing import Any

# One for all: made anew for each of some hundred thousand records it is most of the work.
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}


def script_json(value: Any) -> str:
    """Compact JSON that is safe inside a script element and in a script file.

    ASCII only, which also covers the line separators U+2028 and U+2029; ``<``, ``>`` and ``&`` are escaped, so that
    nothing in it closes the element or opens a comment.
    """
    return _ENCODER.encode(value).translate(_ESCAPES)
