"""A leaderboard as LaTeX tables for a paper: one ``tabular`` a dataset, with the rules of ``booktabs``."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from benchmark.leaderboard.metrics import Proportion
from benchmark.leaderboard.prose import detectable_words
from benchmark.leaderboard.statistics import LEVEL
from benchmark.leaderboard.statistics.bootstrap import Estimate
from benchmark.leaderboard.table import Entry, Table

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
}
"""Characters that LaTeX would obey, or that some font encodings print as others."""


def latex(table: Table) -> str:
    """The tables; needs ``\\usepackage{booktabs}``. Values are per cent, intervals stand below in small print."""
    lines = [f"% {comment(table.suite.title)}: suite {comment(table.suite.name)}, version {table.suite.version}"]
    lines += [r"% \usepackage[T1]{fontenc} \usepackage{booktabs}"]
    for dataset in sorted({entry.dataset for entry in table.entries}):
        lines += _dataset(table, dataset)
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it stands; control characters and line breaks become spaces."""
    words = "".join(" " if unicodedata.category(c).startswith("C") else SPECIAL.get(c, c) for c in text)
    return " ".join(words.split())


def comment(text: str) -> str:
    """Text that stays within one line of comment."""
    return " ".join("".join(" " if unicodedata.category(c).startswith("C") else c for c in text).split())


def _dataset(table: Table, dataset: str) -> list[str]:
    attacks = table.suite.attacks
    head = ["Rank", "Defense", "Seeds", "Worst case", "Clean", *attacks]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{rlr{'r' * (2 + len(attacks))}}}",
        r"\toprule",
        " & ".join(map(escaped, head)) + r" \\",
        r"\midrule",
    ]
    for entry in table.entries_of(dataset):
        lines += _entry(entry, attacks)
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{_caption(table, dataset)}}}"]
    return [*lines, rf"\label{{tab:{_label(table.suite.name)}-{_label(dataset)}}}", r"\end{table}"]


def _entry(entry: Entry, attacks: Sequence[str]) -> list[str]:
    shares = [entry.worst_case, entry.clean, *(entry.attacks.get(name) for name in attacks)]
    rank = "--" if entry.rank is None else str(entry.rank)
    values = [rank, rf"\texttt{{{escaped(entry.defense)}}}", str(len(entry.seeds)), *map(_share, shares)]
    bounds = ["", "", "", *map(_bounds, shares)]
    return [" & ".join(values) + r" \\", " & ".join(bounds) + r" \\"]


def _share(found: Estimate | Proportion | None) -> str:
    return "--" if found is None else f"{100 * found.value:.1f}"


def _bounds(found: Estimate | Proportion | None) -> str:
    return "" if found is None else rf"{{\scriptsize {100 * found.low:.1f}--{100 * found.high:.1f}}}"


def _caption(table: Table, dataset: str) -> str:
    words = (
        f"{table.suite.title}, {dataset}: per cent with {LEVEL:.0%} intervals; worst case over all attacks. "
        "Rows that the paired test (exact, Holm-corrected) does not separate share a rank."
    )
    found = (table.detectable or {}).get(dataset)
    if found is not None and found.n:
        sentence = detectable_words(found)
        words += f" {sentence[0].upper()}{sentence[1:]}"
    return escaped(words)


def _label(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)
