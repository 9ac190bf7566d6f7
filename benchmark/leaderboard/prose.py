"""The sentences of a page: what its columns mean, how it was measured, what it cannot show."""

from __future__ import annotations

from collections.abc import Callable

from benchmark.api import Track
from benchmark.leaderboard.metrics import ERROR_LIMIT, LEVEL
from benchmark.suite import Contract, Suite


def columns_section() -> list[str]:
    """What each column means."""
    columns = {
        "Rank": "by worst case, within a dataset; the rule is below. A dash: no rank, and the page says why.",
        "Defense": "head and training objective, joined by `+`.",
        "Seed": "of the training run.",
        "Worst case": "share of the attacked examples that are classified correctly and stay so under every attack "
        "of the suite. This is the headline.",
        "Clean": "accuracy on the whole test part, without an attack.",
        "an attack's name / Accuracy under attack": "share of all attacked examples, wrong ones included, that are "
        "classified correctly and stay so under this attack.",
        "Success rate": "broken / attacked, where attacked are the examples that were classified correctly or ended in "
        "an error. A dash: nothing could be attacked.",
        "Queries": "mean number of texts the attack asked the model about, per attacked example, cached or not.",
        "Forwards": "mean number of rows the network really computed, per attacked example.",
        "Words changed": "mean share of changed words, over broken examples.",
        "Similarity": "mean similarity to the original text, by the contract's encoder, over broken examples.",
        "Forwards / prediction": "rows the network computes to classify one text.",
        "Training": "wall-clock time of fitting, on whatever machine did it.",
        "Badges": "`standard attacks only`: no attack was adapted to this defense, a stronger one may exist.",
    }
    outcomes = {
        "skipped": "classified wrongly without an attack; never robust, never a success.",
        "held": "the attack ended without a text that changes the prediction.",
        "broken": "a text within the contract changes the prediction.",
        "invalid": "the attack's text changes the prediction but breaks the contract; the defense keeps the point.",
        "exhausted": "the query budget ended first; the defense keeps the point.",
        "error": "the attack or the model raised an error; never counted as robust.",
    }
    lines = ["## Columns", ""]
    lines += [f"- **{name}**: {meaning}" for name, meaning in columns.items()]
    lines += ["", "Outcomes, exactly one for each example and attack:", ""]
    return [*lines, *(f"- `{name}`: {meaning}" for name, meaning in outcomes.items()), ""]


def method_section(suite: Suite) -> list[str]:
    """Threat model, interval and rank rule."""
    return [
        "## Method",
        "",
        contract_words(suite),
        "",
        "An attack only proposes a text. The harness scores it again against the gold label, checks it against the "
        "contract and decides the outcome.",
        "",
        f"Intervals are {LEVEL:.0%} Wilson score intervals over examples. They do not cover the variation between "
        "training runs.",
        "",
        "Rank rule: rows are ordered by worst case. The best row leads a group; each next row belongs to that group "
        "and shares its rank while its interval overlaps the interval of the group's leader. The first row whose "
        "interval does not overlap leads the next group, and its rank is one more than the number of rows before it.",
        "",
        "A row has no rank when its clean accuracy or one of its attacks was not measured on every example, or when "
        f"more than {ERROR_LIMIT:.0%} of the examples of one attack ended in an error. Nothing missing is averaged "
        "away.",
        "",
    ]


def contract_words(suite: Suite) -> str:
    """The threat model in words."""
    contract = suite.contract
    shares = {
        name: suite.contract_for(name).perturbed_words
        for name in sorted(suite.datasets)
        if suite.contract_for(name).perturbed_words != contract.perturbed_words
    }
    own = f" ({', '.join(f'{name}: {100 * share:.1f}%' for name, share in shares.items())})" if shares else ""
    clauses = [
        f"at most {100 * contract.perturbed_words:.1f}%{own} of the words of the original are changed, counted as "
        "word-level edit distance (one word is always allowed)"
    ]
    if contract.similarity is not None:
        clause = contract.similarity
        clauses.append(
            f"the {clause.metric} similarity to the original text, by `{clause.encoder}`, is at least {clause.minimum}"
        )
    clauses += further_clauses(contract)
    budget = (
        "There is no query budget."
        if contract.queries_per_word is None
        else f"The query budget is {contract.queries_per_word} for each word of the original."
    )
    if contract.track is Track.NATIVE:
        measured = f"; similarity is measured by `{contract.similarity.encoder}`" if contract.similarity else ""
        return (
            "Native track: only an attack's own constraints bind it, and any text that changes the prediction counts"
            f"{measured}. {budget} Scores of the two tracks do not compare."
        )
    return (
        f"Contract `{contract.name}` version {contract.version}: an adversarial text counts only if "
        f"{', and if '.join(clauses)}. An attack considers at most {contract.candidates} substitutes for one word. "
        f"{budget}"
    )


def further_clauses(contract: Contract) -> list[str]:
    """The clauses that a contract may have besides words and similarity, in words."""
    words = {
        "frozen_columns": f"columns {', '.join(map(str, contract.frozen_columns))} (from 0) are unchanged",
        "longest": f"it has at most {contract.longest} times the characters of the original",
        "keep_stop_words": f"no stop word of the original (`{contract.lexicon}`) is replaced or removed",
        "forbid_antonyms": f"no word is replaced by an antonym (`{contract.lexicon}`)",
        "forbid_repeats": "no edit puts a word beside an equal one",
        "forbid_truncation": "no edit pushes words out of the model's window or hides behind its end",
    }
    return [text for name, text in words.items() if getattr(contract, name)]


def limits_section(suite: Suite, detectable: Callable[[int], float]) -> list[str]:
    """Sample sizes and the smallest difference they can show."""
    lines = ["## Limits", ""]
    for name in sorted(suite.datasets):
        size = len(suite.datasets[name].sample)
        if size:
            lines.append(
                f"- {name}: {size} attacked examples. Two rows must differ by about {100 * detectable(size):.1f} "
                "points for a test at the 5% level to find it with 80% power."
            )
    return [
        *lines,
        "",
        "That figure is (z(0.975) + z(0.80)) · √(2 · 0.25 / n), for two independent shares near one half. Rows share "
        "their examples, so a paired test on the evidence can find smaller differences.",
        "",
        "The worst case is over the attacks of this suite. It is an upper bound of robustness, not a guarantee: "
        "another attack can only lower it. Scores of different suites or versions do not compare.",
        "",
    ]
