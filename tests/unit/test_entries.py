"""Ranked entries over seeds and datasets, their badges, and what leaves one without a rank."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.errors import BadRecord
from benchmark.leaderboard.badges import STANDARD, badges_of
from benchmark.leaderboard.evidence import Evidence, EvidenceRecord
from benchmark.leaderboard.markdown import markdown_page
from benchmark.leaderboard.table import Table, build_table
from benchmark.records import CellFile, CleanRecord, Outcome
from benchmark.suite import Contract, Suite, SuiteDataset

IDS = tuple(f"e{i:02}" for i in range(40))
Runs = dict[tuple[str, str, int], str]
"""dataset, defense, seed: ``1`` for each example that holds."""


def suite_of(*datasets: str, seeds: tuple[int, ...] = (0, 1)) -> Suite:
    return Suite(
        name="toy", version=1, title="Toy", model="tiny", defenses=("plain",), attacks=("swap",), seeds=seeds,
        contract=Contract(name="c", perturbed_words=0.3),
        datasets={name: SuiteDataset(sample=IDS) for name in datasets},
    )  # fmt: skip


def cell_of(
    dataset: str, defense: str, seed: int, attack: str | None, randomised: bool = False, **provenance: Any
) -> CellFile:
    part = {"name": defense, "randomised": True} if randomised else {"name": defense}
    return CellFile(
        key=f"{dataset}-{defense}-{seed}-{attack}", suite="toy", suite_version=1, dataset=dataset, defense=defense,
        attack=attack, attack_display=attack, seed=seed, model="tiny", spec={"victim": {"defense": part}},
        provenance=provenance,
    )  # fmt: skip


def table_of(suite: Suite, runs: Runs, of_seed: Any = lambda seed: {}, **given: Any) -> Table:
    cells, attacked, clean = [], {}, {}
    for (dataset, defense, seed), held in runs.items():
        provenance = given | of_seed(seed)
        base = cell_of(dataset, defense, seed, None, **provenance)
        attack = cell_of(dataset, defense, seed, "swap", **provenance)
        cells += [base, attack]
        clean[base.key] = tuple(CleanRecord(cell=base.key, example_id=i, label=1, prediction=1) for i in IDS)
        attacked[attack.key] = tuple(
            EvidenceRecord(
                cell=attack.key, example_id=i, label=1, prediction=1, queries=1, forwards=1, words=3, text_sha256="0",
                outcome=Outcome.HELD if mark == "1" else Outcome.BROKEN,
            )
            for i, mark in zip(IDS, held, strict=True)
        )  # fmt: skip
    return build_table(suite, Evidence(tuple(cells), attacked, clean))


def held(count: int) -> str:
    return "1" * count + "0" * (40 - count)


def test_an_entry_is_the_mean_over_seeds_and_its_rows_share_its_rank() -> None:
    table = table_of(
        suite_of("a"),
        {("a", "weak", 0): held(4), ("a", "weak", 1): held(6), ("a", "firm", 0): held(30), ("a", "firm", 1): held(32)},
    )
    firm, weak = table.entries
    assert (firm.defense, firm.rank, firm.seeds) == ("firm", 1, (0, 1))
    assert (weak.defense, weak.rank) == ("weak", 2)
    assert firm.worst_case is not None
    assert (firm.worst_case.value, firm.worst_case.n, firm.worst_case.seeds) == (62 / 80, 40, 2)
    assert [(row.defense, row.seed, row.rank) for row in table.rows] == [
        ("firm", 0, 1), ("firm", 1, 1), ("weak", 0, 2), ("weak", 1, 2),
    ]  # fmt: skip
    (pair,) = table.pairs
    # 26 examples differ, 2 of them in one seed only on each side; all in favour of firm: every sign the same.
    assert pair.p_exact == pytest.approx(2 * 0.5**28, abs=1e-6)
    assert pair.separated
    assert pair.difference.value == 52 / 80


@pytest.mark.parametrize(
    ("clocks", "mean"), [(("wall", "wall"), 12.0), (("processor", "processor"), 12.0), (("wall", "processor"), None)]
)
def test_seconds_of_different_clocks_have_no_mean(clocks: tuple[str, str], mean: float | None) -> None:
    table = table_of(
        suite_of("a"),
        {("a", "firm", 0): held(4), ("a", "firm", 1): held(4)},
        lambda seed: {"training": {"seconds": (10.0, 14.0)[seed], "clock": clocks[seed]}},
    )
    assert table.entries[0].training_seconds == mean
    old = table_of(suite_of("a"), {("a", "firm", 0): held(4)}, training={"seconds": 9.0})
    assert old.entries[0].training_seconds == 9.0  # before clocks were named it was the wall


def test_seeds_that_disagree_keep_two_rows_together() -> None:
    """The trained models differ clearly, but one row has a lucky and an unlucky run: another seed could turn it."""
    table = table_of(
        suite_of("a"),
        {("a", "one", 0): held(5), ("a", "one", 1): held(35), ("a", "two", 0): held(10), ("a", "two", 1): held(12)},
    )
    (pair,) = table.pairs
    assert pair.p_exact < 0.05 < pair.p_value
    assert [entry.rank for entry in table.entries] == [1, 1]


def test_a_seed_that_was_not_measured_leaves_the_entry_without_rank_and_estimate() -> None:
    table = table_of(suite_of("a"), {("a", "half", 0): held(9), ("a", "full", 0): held(8), ("a", "full", 1): held(8)})
    full, half = table.entries
    assert (full.rank, half.rank, half.worst_case) == (1, None, None)
    assert half.unranked_reason == "seed 1 was not measured"
    row = next(row for row in table.rows if row.defense == "half")
    assert (row.rank, row.unranked_reason) == (None, "seed 1 was not measured")
    assert row.worst_case is not None
    assert row.worst_case.value == 9 / 40


def test_means_over_datasets_only_where_every_cell_is_there() -> None:
    table = table_of(
        suite_of("a", "b", seeds=(0,)),
        {("a", "full", 0): held(10), ("b", "full", 0): held(30), ("a", "half", 0): held(40)},
    )
    full, half = table.overall
    assert full.worst_case is not None
    assert (full.defense, full.worst_case.value, full.ranks) == ("full", 0.5, (2, 1))
    assert full.worst_case.low < 0.5 < full.worst_case.high
    assert (half.defense, half.worst_case, half.clean, half.ranks) == ("half", None, None, (1, None))


def test_a_cell_of_a_dataset_that_the_suite_lacks_makes_no_table() -> None:
    """It made a row once, and the page fell over it."""
    with pytest.raises(BadRecord, match="dataset 'b', which suite 'toy' does not have"):
        table_of(suite_of("a", seeds=(0,)), {("a", "plain", 0): held(3), ("b", "plain", 0): held(3)})


def test_what_the_table_can_show_uses_the_discordance_it_has() -> None:
    table = table_of(suite_of("a", seeds=(0,)), {("a", "x", 0): held(10), ("a", "y", 0): held(18)})
    assert table.detectable is not None
    found = table.detectable["a"]
    assert (found.n, found.discordance, found.observed, found.pairs) == (40, 0.2, True, 1)
    alone = table_of(suite_of("a", seeds=(0,)), {("a", "x", 0): held(10)}).detectable
    assert alone is not None
    assert (alone["a"].discordance, alone["a"].observed) == (0.5, False)


def test_the_summary_has_eight_columns_and_the_details_every_seed() -> None:
    table = table_of(suite_of("a"), {("a", name, seed): held(9 + seed) for name in ("x|y`<b>", "z") for seed in (0, 1)})
    page = markdown_page(table, "0" * 64)
    summary = page.split("## Summary")[1].split("\n## ")[0]
    rows = [line for line in summary.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {9}
    assert "### a: seed by seed" in page
    assert "`x\\|y'<b>`" in page


def test_badges_follow_from_the_cells() -> None:
    plain = cell_of("a", "d", 0, "swap")
    assert badges_of([plain], 1, 0, 2) == (STANDARD,)
    white = cell_of("a", "d", 0, "grad", attack_access="gradient")
    assert badges_of([plain, white], 1, 0, 2) == ()
    drawn = cell_of("a", "d", 0, "swap", randomised=True)
    assert "randomised" in badges_of([drawn], 1, 0, 2)
    probe = {"confidence": 0.99, "accuracy": 0.7, "temperature": 1.0, "calibration_error": 0.29}
    shaky = cell_of("a", "d", 0, "swap", probe=probe)
    assert badges_of([shaky], 4, 2, 1) == (
        STANDARD, "4 forward passes per prediction", "2 errors", "miscalibrated (calibration error 0.29)",
        "single seed",
    )  # fmt: skip


def test_every_badge_is_explained() -> None:
    from benchmark.leaderboard.prose import legend_section

    legend = "\n".join(legend_section())
    for name in ("randomised", STANDARD, "claimed", "verified", "external", "miscalibrated", "single seed"):
        assert f"- *{name}*: " in legend
