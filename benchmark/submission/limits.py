"""What an archive may hold, and how it is refused: one line that names the member."""

from __future__ import annotations

import re

from benchmark.errors import BenchError

ARCHIVE_BYTES = 256 * 2**20
"""Largest archive. Members are stored uncompressed, so this also bounds what it unpacks to."""
MEMBERS = 4096
MEMBER_BYTES = 64 * 2**20
LINE_BYTES = 2**16
"""Longest line of records."""
NAME_CHARACTERS = 120
TEXT_CHARACTERS = 10_000
"""Longest string anywhere."""
DEPTH = 24
"""Deepest nesting of JSON."""
INTEGER = 2**53
"""Largest number without a fraction: beyond it, readers of JSON disagree."""
SHOWN = 80

NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9 ._+,=:()\[\]/@-]{{0,{NAME_CHARACTERS - 1}}}")
"""Names of defenses, attacks, distributions: nothing that means something to a markdown table, HTML or a terminal."""


class BadArchive(BenchError):
    """A submitted archive that is refused."""


def refused(
    where: str, reason: str, hint: str = "Ask its author to pack it again with bench submit pack"
) -> BadArchive:
    """The error for one member."""
    return BadArchive(f"{shown(where)}: {reason}", hint)


def shown(text: object) -> str:
    """Somebody else's text in a message: one line, printable ASCII, not too long. A terminal must not obey it."""
    plain = ascii(str(text)[: SHOWN * 2])[1:-1]
    return plain if len(plain) <= SHOWN else f"{plain[: SHOWN - 3]}..."
