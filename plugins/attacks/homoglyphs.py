"""Characters that look alike, as two small tables, written as code points because nobody can tell them apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

SIMILAR: Mapping[str, str] = {
    "-": "\u02d7",
    "9": "\u09ed",
    "8": "\u0222",
    "7": "\U0001d7d5",
    "6": "\u0431",
    "5": "\u01bc",
    "4": "\u13ce",
    "3": "\u01b7",
    "2": "\u14bf",
    "1": "l",
    "0": "O",
    "'": "`",
    "a": "\u0251",
    "b": "\u042c",
    "c": "\u03f2",
    "d": "\u0501",
    "e": "\u0435",
    "f": "\U0001d68f",
    "g": "\u0261",
    "h": "\u0570",
    "i": "\u0456",
    "j": "\u03f3",
    "k": "\U0001d48c",
    "l": "\u217c",
    "m": "\uff4d",
    "n": "\u0578",
    "o": "\u043e",
    "p": "\u0440",
    "q": "\u051b",
    "r": "\u2c85",
    "s": "\u0455",
    "t": "\U0001d69d",
    "u": "\u057d",
    "v": "\u0475",
    "w": "\u051d",
    "x": "\xd7",
    "y": "\u0443",
    "z": "\u1d22",
}
"""One look-alike of a character: the table of DeepWordBug's authors (Gao et al. 2018), which TextBugger's recipe uses.

Its digits are far from alike (``8`` becomes a Latin letter Ou); it is kept as published.
"""

# Latin letter -> the Greek and Cyrillic letters of the same shape in common fonts.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "A": ("GREEK CAPITAL LETTER ALPHA", "CYRILLIC CAPITAL LETTER A"),
    "B": ("GREEK CAPITAL LETTER BETA", "CYRILLIC CAPITAL LETTER VE"),
    "C": ("CYRILLIC CAPITAL LETTER ES",),
    "E": ("GREEK CAPITAL LETTER EPSILON", "CYRILLIC CAPITAL LETTER IE"),
    "H": ("GREEK CAPITAL LETTER ETA", "CYRILLIC CAPITAL LETTER EN"),
    "I": ("GREEK CAPITAL LETTER IOTA", "CYRILLIC CAPITAL LETTER BYELORUSSIAN-UKRAINIAN I"),
    "J": ("CYRILLIC CAPITAL LETTER JE",),
    "K": ("GREEK CAPITAL LETTER KAPPA", "CYRILLIC CAPITAL LETTER KA"),
    "M": ("GREEK CAPITAL LETTER MU", "CYRILLIC CAPITAL LETTER EM"),
    "N": ("GREEK CAPITAL LETTER NU",),
    "O": ("GREEK CAPITAL LETTER OMICRON", "CYRILLIC CAPITAL LETTER O"),
    "P": ("GREEK CAPITAL LETTER RHO", "CYRILLIC CAPITAL LETTER ER"),
    "S": ("CYRILLIC CAPITAL LETTER DZE",),
    "T": ("GREEK CAPITAL LETTER TAU", "CYRILLIC CAPITAL LETTER TE"),
    "X": ("GREEK CAPITAL LETTER CHI", "CYRILLIC CAPITAL LETTER HA"),
    "Y": ("GREEK CAPITAL LETTER UPSILON",),
    "Z": ("GREEK CAPITAL LETTER ZETA",),
    "a": ("CYRILLIC SMALL LETTER A",),
    "c": ("CYRILLIC SMALL LETTER ES", "GREEK LUNATE SIGMA SYMBOL"),
    "d": ("CYRILLIC SMALL LETTER KOMI DE",),
    "e": ("CYRILLIC SMALL LETTER IE",),
    "h": ("CYRILLIC SMALL LETTER SHHA",),
    "i": ("CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I",),
    "j": ("CYRILLIC SMALL LETTER JE", "GREEK LETTER YOT"),
    "o": ("GREEK SMALL LETTER OMICRON", "CYRILLIC SMALL LETTER O"),
    "p": ("CYRILLIC SMALL LETTER ER",),
    "q": ("CYRILLIC SMALL LETTER QA",),
    "s": ("CYRILLIC SMALL LETTER DZE",),
    "w": ("CYRILLIC SMALL LETTER WE",),
    "x": ("CYRILLIC SMALL LETTER HA",),
    "y": ("CYRILLIC SMALL LETTER U",),
}


def confusables() -> dict[str, tuple[str, ...]]:
    """Latin letter -> letters of other alphabets with the same shape (31 letters, 45 look-alikes).

    Written by hand from the names of Unicode; the reference is Unicode Technical Standard 39 ("intentional
    confusables"), whose file the published attack reads and no package index carries.
    """
    return {letter: tuple(unicodedata.lookup(name) for name in names) for letter, names in _NAMES.items()}
