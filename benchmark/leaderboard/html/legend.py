"""Every abbreviation and badge of the page, explained once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmark.leaderboard.badges import EXTERNAL, MEANINGS, RANDOMISED, STANDARD
from benchmark.leaderboard.prose import OUTCOMES as OUTCOME_MEANINGS
from benchmark.records import Outcome, Status


@dataclass(frozen=True)
class Entry:
    """A short form as the page prints it, and what it stands for."""

    short: str
    meaning: str


@dataclass(frozen=True)
class BadgeKind:
    """Badges that begin or end alike are one kind: one filter, one line of the legend."""

    name: str
    pattern: str
    short: str
    """May use the groups of ``pattern``."""
    meaning: str


COLUMNS: dict[str, Entry] = {
    "rank": Entry("Rank", "Within the dataset, by worst case: 1 + the rows that are significantly above. Rows that the "
    "test does not separate share a rank. A dash: no rank, for the reason listed under the table."),
    "defense": Entry("Defense", "Head, training objective and wrapper of the classifier, joined by +."),
    "dataset": Entry("Dataset", "What the classifier was trained and attacked on."),
    "seeds": Entry("Seeds", "Of the training runs behind the row."),
    "worst": Entry("Worst case", "The headline, in per cent: attacked examples that are classified correctly and stay "
    "so under every attack of the suite."),
    "clean": Entry("Clean", "Accuracy in per cent on the test part, without an attack."),
    "forwards": Entry("Fwd/pred", "Forward passes per prediction: rows the network computes to classify one text."),
    "training": Entry("Train, s", "Training: seconds that fitting took, mean over seeds, on whatever machine did it: "
    "processor time where the record says so, else the wall clock."),
    "badges": Entry("Badges", "What to keep in mind when reading the row; all are explained below."),
}  # fmt: skip

ATTACK_MEANING = (
    "Accuracy under this attack, in per cent of all attacked examples, wrong ones included. Select a value to see its "
    "examples."
)

OUTCOMES: dict[Outcome, Entry] = {
    outcome: Entry(sign, OUTCOME_MEANINGS[outcome.value])
    for outcome, sign in (
        (Outcome.HELD, "✓"),
        (Outcome.INVALID, "⊘"),
        (Outcome.EXHAUSTED, "◔"),
        (Outcome.BROKEN, "✕"),
        (Outcome.SKIPPED, "–"),
        (Outcome.ERROR, "!"),
    )
}
"""In the order of the drawn bars: what counts as robust comes first."""

TERMS: dict[str, str] = {
    "95 % interval": "the lighter band behind a value's mark, and the two numbers beside it: the range that such an "
    "interval covers the true share with in 95 of 100 samples. The line it lies on runs from 0 to 100 per cent.",
    "n": "number of examples a share is taken over.",
    "success rate": "broken examples over attacked ones; attacked are those that were classified correctly or ended in "
    "an error.",
    "queries": "texts the attack asked the model about, cached or not.",
    "words changed": "word-level edit distance to the original, and that over the words of the original.",
    "similarity": "of the adversarial to the original text, by the contract's encoder; 1 means equal.",
    "label → prediction": "the right label, and what the model said to the adversarial text.",
    "T": "temperature: this example was broken only through logits divided by T.",
    "███ → word": "an edit without its sentence: the block stands for the replaced characters, the number for their "
    "place in the original.",
}

BADGES: tuple[BadgeKind, ...] = tuple(
    BadgeKind(name, pattern, short, MEANINGS[key].replace("`", ""))
    for key, name, pattern, short in (
        (STANDARD, STANDARD, re.escape(STANDARD), "standard"),
        (RANDOMISED, RANDOMISED, RANDOMISED, RANDOMISED),
        *((status.value,) * 4 for status in (Status.CLAIMED, Status.VERIFIED)),
        (EXTERNAL, EXTERNAL, EXTERNAL, EXTERNAL),
        ("miscalibrated", "miscalibrated", r"miscalibrated.*", "miscalibrated"),
        ("N forward passes per prediction", "forward passes", r"(\d+) forward passes per prediction", r"\1 fwd"),
        ("N errors", "errors", r"(\d+) errors?", r"\1 err"),
        ("single seed", "single seed", r"single seed", "1 seed"),
    )
)


@dataclass(frozen=True)
class Chip:
    """A badge as drawn: its kind, its short form, its full words."""

    kind: str
    short: str
    full: str


def chip_of(badge: str) -> Chip:
    """How a badge is drawn; one of no known kind stands in full and is its own kind."""
    for kind in BADGES:
        found = re.fullmatch(kind.pattern, badge)
        if found:
            return Chip(kind.name, found.expand(kind.short), badge)
    return Chip(badge, badge, badge)
