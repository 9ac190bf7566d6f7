"""The sentences of a page: what its columns mean, how it was measured, what it cannot show."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.api import Track
from benchmark.leaderboard.badges import MEANINGS
from benchmark.leaderboard.metrics import ERROR_LIMIT
from benchmark.leaderboard.statistics import LEVEL, SIGNIFICANCE
from benchmark.leaderboard.table import Detectable, Table
from benchmark.suite import Contract, Inference, Suite

COLUMNS: Mapping[str, str] = {
    "Rank": "within a dataset, by worst case: 1 + the number of rows that are significantly above. Rows that the test "
    "does not separate share a rank. A dash: no rank, and the page says why.",
    "Defense": "head, training objective and wrappers, joined by `+`; options that differ stand in brackets.",
    "Seeds / Seed": "number of training runs / the seed of one.",
    "Worst case": "share of the attacked examples that are classified correctly and stay so under every attack "
    "of the suite. This is the headline.",
    "Mean worst case, mean clean": "unweighted means over the datasets of the suite. A dash: the row has no rank on "
    "one of them.",
    "Clean": "accuracy on the whole test part, without an attack.",
    "an attack's name / Accuracy under attack": "share of all attacked examples, wrong ones included, that are "
    "classified correctly and stay so under this attack.",
    "Success rate": "broken / attacked, where attacked are the examples that were classified correctly or ended in "
    "an error. A dash: nothing could be attacked.",
    "Queries": "mean number of texts the attack asked the model about, per attacked example, cached or not.",
    "Forwards": "mean number of rows that the network needs for the distinct texts of an attacked example.",
    "Words changed": "mean share of changed words, over broken examples.",
    "Similarity": "mean similarity to the original text, by the contract's encoder, over broken examples.",
    "Fwd/pred": "forward passes per prediction: rows the network computes to classify one text.",
    "Training": "seconds (s) that fitting took, mean over seeds and datasets, on whatever machine did it: processor "
    "time where the record says so (`training.clock`), else the wall clock.",
    "Behind": "how many points (of 100) a row lies behind the one it is compared with, with the interval of that "
    "difference.",
    "p, p (Holm)": "p-value of the paired test, and the same corrected for all pairs of the dataset.",
    "n": "number of examples that a share is taken over.",
    "(low–high)": f"{LEVEL:.0%} interval.",
}

OUTCOMES: Mapping[str, str] = {
    "skipped": "classified wrongly without an attack; never robust, never a success.",
    "held": "the attack ended without a text that changes the prediction.",
    "broken": "a text within the contract changes the prediction.",
    "invalid": "the attack's text changes the prediction but breaks the contract; the defense keeps the point.",
    "exhausted": "the query budget ended first; the defense keeps the point.",
    "error": "the attack or the model raised an error; never counted as robust.",
}


def legend_section() -> list[str]:
    """What each column, badge and outcome means."""
    lines = ["## Legend", "", "Columns:", ""]
    lines += [f"- **{name}**: {meaning}" for name, meaning in COLUMNS.items()]
    lines += ["", "Badges:", "", *(f"- *{name}*: {meaning}" for name, meaning in MEANINGS.items())]
    lines += ["", "Outcomes, exactly one for each example and attack:", ""]
    return [*lines, *(f"- `{name}`: {meaning}" for name, meaning in OUTCOMES.items()), ""]


def method_section(suite: Suite) -> list[str]:
    """Threat model, intervals and the rule of the ranks."""
    several = len(suite.seeds) > 1
    seeds = (
        "Rows of several seeds resample examples with all their seeds, and add the variation between training runs: "
        "Student's t with the variance between seeds, pooled over the rows of the dataset. Single seeds have intervals "
        "of their own, which do not cover it."
        if several
        else "They do not cover the variation between training runs."
    )
    test = (
        "the exact sign-flip test of the difference in the number of seeds that are right, example by example, and by "
        "the bootstrap over examples and seeds; the larger p-value counts, so that neither chance on single examples "
        "nor a lucky training run separates two rows."
        if several
        else "the exact McNemar test on the examples that exactly one of the two gets right. It compares the trained "
        "models: another seed could separate others."
    )
    return [
        "## Method",
        "",
        contract_words(suite),
        "",
        "An attack only proposes a text. The harness scores it again against the gold label, checks it against the "
        "contract and decides the outcome.",
        "",
        *_precision_words(suite),
        f"Intervals are {LEVEL:.0%} intervals. Of a share of examples: Wilson's. Of a worst case, a difference and a "
        "mean over datasets: percentile bootstrap over examples, computed exactly instead of by drawing, with one "
        f"right and one wrong example added. {seeds}",
        "",
        f"Ranks: each pair of rows of a dataset is tested by {test} p-values are corrected for all pairs by Holm's "
        f"method at {SIGNIFICANCE:.0%}: with no true difference anywhere, the chance of a wrong separation is at most "
        f"{SIGNIFICANCE:.0%}. A row's rank is 1 + the number of rows significantly above it; rows that nothing "
        "separates share it. A shared rank does not say that two rows are equal.",
        "",
        "A row has no rank when its clean accuracy or one of its attacks was not measured on every example and seed, "
        f"or when more than {ERROR_LIMIT:.0%} of the examples of one attack ended in an error. Nothing missing is "
        "averaged away.",
        "",
    ]


def _precision_words(suite: Suite) -> list[str]:
    if suite.inference == Inference():
        return []
    return [f"Victims answered in {suite.inference.precision}: their networks ran in that arithmetic.", ""]


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


def limits_section(table: Table) -> list[str]:
    """Sample sizes, and what they can show."""
    lines = ["## Limits", ""]
    lines += [f"- {name}: {detectable_words(found)}" for name, found in (table.detectable or {}).items() if found.n]
    return [
        *lines,
        "",
        "That is the d that solves d·√n = z(0.975)·√ψ + z(0.80)·√(ψ − d²) (Connor 1987): the paired test, two-sided at "
        "5%, finds a true difference d with 80% power. ψ is the discordance, the share of examples on which two rows "
        "differ (over several seeds, the mean squared difference).",
        "",
        "The worst case is over the attacks of this suite. It is an upper bound of robustness, not a guarantee: "
        "another attack can only lower it. Scores of different suites or versions do not compare.",
        "",
    ]


def detectable_words(found: Detectable) -> str:
    """The minimum detectable difference of a dataset in a sentence."""
    psi = "the median of the pairs" if found.observed else "that of two independent rows near one half"
    corrected = f"; {100 * found.corrected:.1f} points after correction for {found.pairs} pairs" * (found.pairs > 1)
    return (
        f"minimum detectable difference {100 * found.single:.1f} points for one pair of rows on {found.n} examples, "
        f"with discordance {found.discordance:.2f} ({psi}){corrected}."
    )
