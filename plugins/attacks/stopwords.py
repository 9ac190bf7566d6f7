"""The one stop list of all attacks: the 266 words that TextFooler leaves alone, pinned as a file and by digest.

The words are those of the TextFooler recipe of TextAttack 0.3.11 (which took them from the authors' program), sorted.
They include ``no``, ``not`` and ``nor``. Matching is case-sensitive, as in the library: "The" may be edited.
"""

from __future__ import annotations

import hashlib
from importlib import resources

from benchmark.errors import AssetCorrupt

SHA256 = "3abf257eaec45dd5ca518eb16e1cf8c10aa8ff83ef67856157941501257b6241"


def stop_words() -> tuple[str, ...]:
    """The pinned list; raises AssetCorrupt when the file is not the pinned one (its digest stands in every record)."""
    data = resources.files(__package__).joinpath("stopwords.txt").read_bytes().replace(b"\r\n", b"\n")
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise AssetCorrupt("the stop list of the attacks is not the pinned one", "Install nlp-robustness-bench again")
    return tuple(data.decode("utf-8").split())
