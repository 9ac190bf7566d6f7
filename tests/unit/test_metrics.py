"""Every number of a page: hand-computed tables, published intervals, an independent library, and properties."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import BadRecord
from benchmark.leaderboard import metrics
from benchmark.leaderboard.metrics import Proportion
from benchmark.records import ExampleRecord, Outcome

O = Outcome  # noqa: E741


@dataclass(frozen=True)
class Fake:
    example_id: str
    outcome: Outcome
    queries: int = 0
    forwards: int = 0
    perturbed_share: float | None = None
    similarity: float | None = None


# Ten examples: 2 skipped, 3 held, 2 broken, 1 invalid, 1 exhausted, 1 error -> 5 robust, 8 attacked.
TEN = [
    Fake("a", O.SKIPPED, queries=0, forwards=1),
    Fake("b", O.SKIPPED, queries=0, forwards=1),
    Fake("c", O.HELD, queries=10, forwards=8),
    Fake("d", O.HELD, queries=20, forwards=8),
    Fake("e", O.HELD, queries=30, forwards=8),
    Fake("f", O.BROKEN, queries=5, forwards=4, perturbed_share=0.1, similarity=0.9),
    Fake("g", O.BROKEN, queries=7, forwards=4, perturbed_share=0.2, similarity=0.8),
    Fake("h", O.INVALID, queries=8, forwards=8, perturbed_share=0.9, similarity=0.1),
    Fake("i", O.EXHAUSTED, queries=40, forwards=8),
    Fake("j", O.ERROR, queries=0, forwards=0),
]


def test_proportions_are_each_the_proportion() -> None:
    for n in (0, 1, 7, 60):
        counts = list(range(n + 1)) if n else [0, 0]
        assert metrics.proportions(counts, n) == [metrics.proportion(count, n) for count in counts]
    assert metrics.proportions([], 5) == []


def test_one_attack_by_hand() -> None:
    assert metrics.outcome_counts(TEN) == {
        O.SKIPPED: 2, O.HELD: 3, O.BROKEN: 2, O.INVALID: 1, O.EXHAUSTED: 1, O.ERROR: 1,
    }  # fmt: skip
    accuracy = metrics.accuracy_under_attack(TEN)
    assert accuracy is not None
    assert (accuracy.value, accuracy.n) == (0.5, 10)
    assert metrics.success_rate(TEN) == metrics.SuccessRate(0.25, 2, 8)
    assert metrics.queries_mean(TEN) == 15.0
    assert metrics.forwards_mean(TEN) == 6.0
    assert metrics.perturbed_share_mean(TEN) == 0.15
    assert metrics.similarity_mean(TEN) == 0.85
    assert metrics.error_share(TEN) == 0.1


def test_nothing_attacked_is_none_and_never_a_flattering_zero() -> None:
    wrong = [Fake("a", O.SKIPPED), Fake("b", O.SKIPPED)]
    assert metrics.success_rate(wrong) == metrics.SuccessRate(None, 0, 0)
    assert metrics.queries_mean(wrong) is None
    assert metrics.perturbed_share_mean(wrong) is None
    accuracy = metrics.accuracy_under_attack(wrong)
    assert accuracy is not None
    assert accuracy.value == 0.0
    assert metrics.accuracy_under_attack([]) is None


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (score interval without continuity correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_interval_is_the_published_wilson_interval(count: int, n: int, low: float, high: float) -> None:
    found = metrics.proportion(count, n)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_interval_by_hand() -> None:
    # z = 1.959964, z^2 = 3.841459; centre (8 + z^2/2) / (10 + z^2) = 9.920729 / 13.841459 = 0.716740,
    # half width z * sqrt(8 * 2 / 10 + z^2 / 4) / (10 + z^2) = 1.959964 * 1.600114... / 13.841459 = 0.226578
    found = metrics.proportion(8, 10)
    assert found is not None
    assert found.low == pytest.approx(0.490162, abs=2e-6)
    assert found.high == pytest.approx(0.943318, abs=2e-6)


@settings(deadline=None)  # a busy machine is no fault of the interval
@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_agrees_with_scipy(case: tuple[int, int]) -> None:
    from scipy.stats import binomtest

    count, n = case
    found = metrics.proportion(count, n)
    expected = binomtest(count, n).proportion_ci(0.95, method="wilson")
    assert found is not None
    assert isclose(found.low, expected.low, abs_tol=1e-6)
    assert isclose(found.high, expected.high, abs_tol=1e-6)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0


def test_worst_case_by_hand() -> None:
    sample = ["a", "b", "c", "d"]
    one = {"a": O.HELD, "b": O.BROKEN, "c": O.INVALID, "d": O.SKIPPED}
    two = {"a": O.EXHAUSTED, "b": O.HELD, "c": O.ERROR, "d": O.SKIPPED}
    assert metrics.worst_case(sample, {"one": one, "two": two}) == {"a": True, "b": False, "c": False, "d": False}
    accuracy = metrics.worst_case_accuracy(sample, {"one": one, "two": two})
    # One of four, with one right and one wrong added: resamples of 6 with p = 2/6. P(0 right) = (4/6)^6 = 0.088 is more
    # than 0.025, P(at most 4) = 1 - (6 * 2^5 * 4 + 2^6) / 6^6 = 0.982 is the first above 0.975.
    assert accuracy == Proportion(0.25, 0.0, round(4 / 6, 6), 4)


def test_a_hole_leaves_no_worst_case() -> None:
    full, hole = {"a": O.HELD, "b": O.HELD}, {"a": O.HELD}
    assert metrics.worst_case(["a", "b"], {"full": full, "hole": hole}) == {"a": True, "b": None}
    assert metrics.worst_case_accuracy(["a", "b"], {"full": full, "hole": hole}) is None
    assert metrics.worst_case_accuracy(["a"], {}) is None


def test_a_doubled_example_is_refused() -> None:
    with pytest.raises(BadRecord, match="two records"):
        metrics.by_example([Fake("a", O.HELD), Fake("a", O.BROKEN)])


IDS = [str(i) for i in range(6)]
ATTACKS = st.dictionaries(
    st.sampled_from(["one", "two", "three", "four"]),
    st.fixed_dictionaries({i: st.sampled_from(list(Outcome)) for i in IDS}),
    min_size=1,
)


@given(ATTACKS)
def test_worst_case_is_at_most_every_attack(attacks: dict[str, dict[str, Outcome]]) -> None:
    worst = metrics.worst_case_accuracy(IDS, attacks)
    assert worst is not None
    for outcomes in attacks.values():
        single = metrics.accuracy_under_attack([Fake(i, o) for i, o in outcomes.items()])
        assert single is not None
        assert worst.value <= single.value


@given(ATTACKS, st.fixed_dictionaries({i: st.sampled_from(list(Outcome)) for i in IDS}))
def test_another_attack_never_raises_the_worst_case(
    attacks: dict[str, dict[str, Outcome]], more: dict[str, Outcome]
) -> None:
    before = metrics.worst_case_accuracy(IDS, attacks)
    after = metrics.worst_case_accuracy(IDS, {**attacks, "more": more})
    assert before is not None
    assert after is not None
    assert after.value <= before.value


@given(ATTACKS, st.permutations(IDS), st.randoms())
def test_order_does_not_matter(attacks: dict[str, dict[str, Outcome]], ids: list[str], rng: object) -> None:
    turned = {name: {i: attacks[name][i] for i in ids} for name in sorted(attacks, reverse=True)}
    assert metrics.worst_case_accuracy(ids, turned) == metrics.worst_case_accuracy(IDS, attacks)
    shuffled = list(TEN)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert metrics.accuracy_under_attack(shuffled) == metrics.accuracy_under_attack(TEN)
    assert metrics.queries_mean(shuffled) == metrics.queries_mean(TEN)
    assert metrics.perturbed_share_mean(shuffled) == metrics.perturbed_share_mean(TEN)


# --- randomised victims -------------------------------------------------------------------------------------------


def drawn(outcome: str, wrong: int | None, draws: int | None = 4) -> ExampleRecord:
    return ExampleRecord(
        cell="c", example_id="x", label=1, prediction=1, outcome=Outcome(outcome), text="t", queries=0, forwards=0,
        words=1, draws=draws, final_wrong=wrong,
    )  # fmt: skip


def test_accuracies_of_a_randomised_victim_by_hand() -> None:
    """Shares of right draws 1, 3/4, 0 and none for the error: mean 0.4375; right in every draw: one of four."""
    records = [drawn("held", 0), drawn("held", 1), drawn("broken", 4), drawn("error", None)]
    assert metrics.expected_accuracy(records) == pytest.approx(0.4375)
    found = metrics.any_fail_accuracy(records)
    assert found is not None
    assert (found.value, found.n) == (0.25, 4)


@pytest.mark.parametrize("records", [[], [drawn("held", None, None)], [drawn("error", None, None)]])
def test_a_deterministic_victim_has_no_such_accuracies(records: list[ExampleRecord]) -> None:
    assert metrics.expected_accuracy(records) is None
    assert metrics.any_fail_accuracy(records) is None


def test_one_broken_outcome_settles_the_worst_case_and_a_hole_leaves_the_others_open() -> None:
    outcomes = {"a": {"x": Outcome.BROKEN, "y": Outcome.HELD}, "b": {}, "c": {"z": Outcome.SKIPPED}}
    assert metrics.worst_case(["x", "y", "z"], outcomes) == {"x": False, "y": None, "z": False}
