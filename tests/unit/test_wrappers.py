"""Wrappers: temperature, random masking with its certificate, and the spelling corrector."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from fitting import TASK, fit_context
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from benchmark.api import COLUMN_SEPARATOR, Capability, Example, NoOptions, Stage, WrapContext
from benchmark.calibration import fit_temperature
from benchmark.errors import BadOptions, BenchError, NotApplicable
from benchmark.fit.classifier import NetworkClassifier
from benchmark_plugins.defenses.wrappers import ranmask, ranmask_certificate, spellcheck, speller, temperature
from benchmark_plugins.defenses.wrappers.draws import stable_seed
from benchmark_plugins.defenses.wrappers.mapped import mapped
from benchmark_plugins.models import tiny_random

MASK = "[MASK]"


class Fixed:
    """A classifier given by a function of the text; what it was asked is kept."""

    forwards_per_prediction = 3

    def __init__(self, scores: Callable[[str], Sequence[float]]) -> None:
        self.scores, self.asked = scores, []  # type: ignore[var-annotated]

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return np.array([self.scores(text) for text in texts], dtype=np.float32).reshape(len(texts), -1 if texts else 2)


class Drawn(Fixed):
    """A randomised one: its scores are moved by the number of the draw."""

    def __init__(self, draw: int = 0) -> None:
        super().__init__(lambda text: (float(draw), float(len(text))))
        self.draw = draw

    def redrawn(self, draw: int) -> Drawn:
        return Drawn(draw)


def around(inner: Any, state: Any = None, **fit: Any) -> WrapContext:
    if "base" not in fit:
        fit["base"] = tiny_random.load(None)  # type: ignore[arg-type]
    return WrapContext(inner, fit_context(**fit), state)


# ---- maps around a classifier


def test_a_map_is_randomised_exactly_where_what_it_wraps_is() -> None:
    plain = mapped(Fixed(lambda text: (1.0, 0.0)), before=str.upper)
    assert not hasattr(plain, "redrawn")
    drawn = mapped(Drawn(), before=lambda text: text * 2, after=lambda logits: -logits)
    assert drawn.logits(["ab"]).tolist() == [[0.0, -4.0]]
    assert drawn.redrawn(7).logits(["ab"]).tolist() == [[-7.0, -4.0]]  # type: ignore[attr-defined]
    assert drawn.redrawn(7).redrawn(2).logits(["ab"]).tolist() == [[-2.0, -4.0]]  # type: ignore[attr-defined]
    assert plain.forwards_per_prediction == drawn.forwards_per_prediction == 3


def test_stable_seeds_are_frozen() -> None:
    """sha256 of the JSON list, first 8 bytes, most significant first."""
    import hashlib

    expected = int(hashlib.sha256(b'["ranmask",1,"a \\u00e9"]').hexdigest()[:16], 16)
    assert stable_seed("ranmask", 1, "a é") == expected
    assert stable_seed("a", "b") != stable_seed("ab")
    assert stable_seed(1) != stable_seed("1")


# ---- temperature


def constant_margin(margin: float, right: int, wrong: int) -> tuple[NDArray[np.float64], list[int]]:
    return np.array([[margin, 0.0]] * (right + wrong)), [0] * right + [1] * wrong


@pytest.mark.parametrize(("margin", "expected"), [(10.0, 4.551196), (0.1, 0.04551196)])
def test_a_constant_margin_has_a_known_temperature(margin: float, expected: float) -> None:
    """m / ln(q / (1 - q)) with accuracy q = 0.9: over- and under-confident models alike."""
    assert fit_temperature(*constant_margin(margin, 9, 1)) == pytest.approx(expected, rel=1e-5)


def noisy(seed: int, classes: int = 3, rows: int = 200) -> tuple[NDArray[np.float64], list[int]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows)
    logits = rng.normal(size=(rows, classes)) * 3
    logits[np.arange(rows), labels] += 2
    return logits, labels.tolist()


@pytest.mark.parametrize("scale", [1e-2, 1.0, 100.0])
def test_the_fitted_temperature_is_the_best_of_a_grid_and_scales_with_the_logits(scale: float) -> None:
    logits, labels = noisy(1)
    found = fit_temperature(logits * scale, labels)
    assert found == pytest.approx(fit_temperature(logits, labels) * scale, rel=1e-5)

    def loss(value: float) -> float:
        z = logits * scale / value
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(labels)), labels]))

    assert loss(found) <= min(loss(found * 1.01**step) for step in range(-60, 61)) + 1e-12


def test_a_fitted_temperature_is_kept_and_changes_no_prediction() -> None:
    logits, labels = noisy(2)
    texts = [str(number) for number in range(len(labels))]
    inner = Fixed(lambda text: logits[int(text)].tolist())
    rows = [Example(text, text, label) for text, label in zip(texts, labels, strict=True)]
    options = temperature.TemperatureOptions()
    state = temperature.fit(around(inner, validation=rows), options)
    assert json.loads(json.dumps(state)) == state == {"temperature": fit_temperature(inner.logits(texts), labels)}
    wrapped = temperature.wrap(around(inner, state), options)
    found = wrapped.logits(texts)
    assert found.dtype == np.float32
    assert np.allclose(found * state["temperature"], logits, rtol=1e-5)
    assert (found.argmax(axis=1) == logits.argmax(axis=1)).all()
    assert not hasattr(wrapped, "redrawn")


def test_a_given_temperature_needs_no_validation_and_a_fitted_one_does() -> None:
    inner = Fixed(lambda text: (4.0, 1.0))
    options = temperature.TemperatureOptions(value=0.5)
    state = temperature.fit(around(inner), options)
    assert inner.asked == []
    assert temperature.wrap(around(inner, state), options).logits(["a"]).tolist() == [[8.0, 2.0]]
    with pytest.raises(BenchError, match="validation"):
        temperature.fit(around(inner), temperature.TemperatureOptions())


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "best"])
def test_a_temperature_is_a_positive_number_or_fit(value: Any) -> None:
    with pytest.raises(ValidationError):
        temperature.TemperatureOptions(value=value)


# ---- ranmask: masks


@pytest.mark.parametrize(
    ("words", "ratio", "expected"),
    [
        (10, 0.7, 7), (15, 0.7, 11), (25, 0.7, 18), (50, 0.29, 15), (5, 0.5, 3), (4, 0.7, 2), (3, 1.0, 1),
        (10, 1.0, 8), (10, 0.0, 0), (2, 0.9, 0), (1, 0.9, 0), (0, 0.9, 0),
    ],
)  # fmt: skip
def test_halves_round_up_and_two_words_stay(words: int, ratio: float, expected: int) -> None:
    """0.29 * 50 is 14.499... in binary: the count is that of the decimal number that was written."""
    assert ranmask.masked_count(words, ratio) == expected


TEXT = st.text(st.sampled_from(["a", "b", " ", "\n", "\u00a0", COLUMN_SEPARATOR, "."]), max_size=40)


@settings(deadline=None)
@given(TEXT, st.floats(0, 1), st.integers(0, 9))
def test_the_mask_hides_the_counted_words_and_nothing_else(text: str, ratio: float, seed: int) -> None:
    made = ranmask.draw_masked(text, ratio, MASK, random.Random(seed))
    before, after = re.findall(r"\S+", text), re.findall(r"\S+", made)
    assert len(after) == len(before)
    assert re.findall(r"\s", made) == re.findall(r"\s", text)
    assert made.count(COLUMN_SEPARATOR) == text.count(COLUMN_SEPARATOR)
    hidden = [new == MASK for new in after]
    assert sum(hidden) == ranmask.masked_count(len(before), ratio)
    assert all(new == old for new, old, gone in zip(after, before, hidden, strict=True) if not gone)


def test_places_count_words_over_all_columns() -> None:
    text = f"one  two{COLUMN_SEPARATOR}three\nfour "
    assert ranmask.masked(text, [1, 3], "<mask>") == f"one  <mask>{COLUMN_SEPARATOR}three\n<mask> "


def test_every_subset_is_as_likely() -> None:
    rng, times = random.Random(1), 6000
    seen = Counter(ranmask.draw_masked("a b c d", 0.5, "_", rng) for _ in range(times))
    assert len(seen) == 6
    assert all(abs(count - times / 6) < 5 * math.sqrt(times / 6 * 5 / 6) for count in seen.values())


def test_training_texts_get_a_fresh_mask_each_time() -> None:
    context, text = around(None).fit, " ".join("abcdefghij")
    rng = random.Random(3)
    made = [ranmask.edit(text, rng, context, ranmask.RanMaskOptions()) for _ in range(8)]
    assert [m.split().count(MASK) for m in made] == [7] * 8
    assert len(set(made)) > 1
    again = random.Random(3)
    assert [ranmask.edit(text, again, context, ranmask.RanMaskOptions()) for _ in range(8)] == made
    other = ranmask.edit(text, rng, context, ranmask.RanMaskOptions(training_ratio=0.3))
    assert other.split().count(MASK) == 3


# ---- ranmask: predictions


def table(text: str) -> tuple[float, float, float]:
    """Scores that follow from the whole masked text in no simple way."""
    rng = random.Random(text)
    return rng.gauss(0, 2), rng.gauss(0, 2), rng.gauss(0, 2)


def masker(inner: Any, seed: int = 0, **options: Any) -> Any:
    return ranmask.wrap(around(inner, seed=seed), ranmask.RanMaskOptions(**options))


FIVE = "a b c d e"


def test_the_vote_agrees_with_its_exact_expectation() -> None:
    """All C(5, 3) masks enumerated, against 40 draws of 100 copies: within five standard errors of 4,000 copies."""
    copies = [ranmask.masked(FIVE, places, MASK) for places in itertools.combinations(range(5), 3)]
    exact = np.bincount([int(np.argmax(table(copy))) for copy in copies], minlength=3) / len(copies)
    assert 0 < exact.max() < 1
    classifier = masker(Fixed(table), ratio=0.6)
    shares = np.stack([classifier.redrawn(draw).logits([FIVE])[0] for draw in range(40)])
    assert np.allclose(shares.sum(axis=1), 1)
    assert np.allclose(shares * 100, np.round(shares * 100), atol=1e-4)
    error = np.sqrt(exact * (1 - exact) / 4000)
    assert (np.abs(shares.mean(axis=0) - exact) < 5 * error + 1e-6).all()
    # Draws are independent: their spread is the binomial one.
    assert np.allclose(shares.std(axis=0), error * math.sqrt(40), rtol=0.4)


@pytest.mark.parametrize("pool", ["mean", "logit"])
def test_other_pools_agree_with_their_exact_expectation(pool: str) -> None:
    scores = np.array([table(ranmask.masked(FIVE, p, MASK)) for p in itertools.combinations(range(5), 3)])
    found = masker(Fixed(table), ratio=0.6, pool=pool, copies=20_000).logits([FIVE])[0]
    if pool == "mean":
        expected = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).mean(axis=0)
        found = np.exp(found)
    else:
        expected = (scores / np.sqrt((scores**2).sum(axis=1, keepdims=True))).mean(axis=0)
    assert np.allclose(found, expected, atol=5 / math.sqrt(20_000))


def test_pools_by_hand() -> None:
    logits = np.array([[3.0, 4.0], [8.0, 6.0], [0.0, 0.0]], dtype=np.float32)
    assert ranmask.pooled(logits, "vote").tolist() == pytest.approx([2 / 3, 1 / 3])  # a tie votes for the first
    assert ranmask.pooled(logits, "logit").tolist() == pytest.approx([1.4 / 3, 1.4 / 3])
    shares = [1 / (1 + math.e), 1 / (1 + math.exp(-2)), 0.5]
    assert ranmask.pooled(logits, "mean").tolist() == pytest.approx(
        [math.log(sum(shares) / 3), math.log(1 - sum(shares) / 3)]
    )
    assert np.isfinite(ranmask.pooled(np.array([[1000.0, -1000.0]] * 2), "mean")).all()


def test_without_masks_it_is_the_model_itself() -> None:
    z = np.array(table(FIVE), dtype=np.float32)
    vote, mean, logit = (masker(Fixed(table), ratio=0, pool=p).logits([FIVE])[0] for p in ("vote", "mean", "logit"))
    assert vote.tolist() == np.eye(3)[z.argmax()].tolist()
    assert np.allclose(mean, z - np.log(np.exp(z).sum()), atol=1e-5)
    assert np.allclose(logit, z / np.linalg.norm(z), atol=1e-6)


@pytest.mark.parametrize("pool", ["vote", "mean", "logit"])
def test_an_answer_follows_from_seed_draw_and_text(pool: str) -> None:
    options = {"pool": pool, "copies": 15, "ratio": 0.5}
    texts = ["a b c d e f g", "h i j k l", "a b", ""]
    classifier = masker(Fixed(table), **options)
    found = classifier.logits(texts)
    assert found.shape == (4, 3)
    assert found.dtype == np.float32
    assert np.array_equal(found, classifier.logits(texts))
    assert np.array_equal(found[[1, 0]], masker(Fixed(table), **options).logits([texts[1], texts[0]]))
    assert np.array_equal(found, classifier.redrawn(0).logits(texts))
    assert not np.array_equal(found, classifier.redrawn(1).logits(texts))
    assert np.array_equal(classifier.redrawn(1).logits(texts), classifier.redrawn(5).redrawn(1).logits(texts))
    assert not np.array_equal(found, masker(Fixed(table), seed=1, **options).logits(texts))
    assert classifier.logits([]).shape[0] == 0


def test_its_cost_is_copies_times_the_inner_one_and_equal_copies_are_asked_once() -> None:
    inner = Fixed(table)
    classifier = masker(inner, copies=200, ratio=0.6)
    assert classifier.forwards_per_prediction == 600
    classifier.logits([FIVE])
    assert len(inner.asked) == len(set(inner.asked)) == 10
    assert all(text.split().count(MASK) == 3 for text in inner.asked)


def test_a_randomised_classifier_inside_is_redrawn_too() -> None:
    classifier = masker(Drawn(), ratio=0, pool="mean", copies=2)
    assert float(np.diff(classifier.logits(["abc"])[0])[0]) == pytest.approx(3, abs=1e-6)
    assert float(np.diff(classifier.redrawn(2).logits(["abc"])[0])[0]) == pytest.approx(1, abs=1e-6)


def test_masked_words_become_mask_ids_of_a_real_network_and_its_slot_stays() -> None:
    import torch

    from benchmark_plugins.defenses.heads import mlp, mvp

    base = tiny_random.load(None)  # type: ignore[arg-type]
    for network in (
        mvp.build(base, TASK, mvp.MvpOptions(template_texts=("{text} it was [MASK] .",))),
        mlp.build(base, TASK, NoOptions()),
    ):
        (row,) = network.rows("the [MASK] film [MASK] good")
        extra = 1 if hasattr(network, "table") else 0
        assert list(row.ids).count(base.tokenizer.mask_token_id) == 2 + extra
        assert row.slot == (8 if extra else 0)
        classifier = masker(NetworkClassifier(network.eval()), copies=10, pool="mean")
        with torch.no_grad():
            assert np.isfinite(classifier.logits(["a warm and funny film about love"])).all()


def test_it_needs_a_mask_token() -> None:
    class Bare:
        tokenizer = type("T", (), {"mask_token": None})()

    with pytest.raises(NotApplicable, match="mask"):
        ranmask.wrap(around(None, base=Bare()), ranmask.RanMaskOptions())
    assert Capability.MASK_TOKEN in ranmask.RANMASK.needs
    assert ranmask.RANMASK.stage is Stage.COPIES
    assert ranmask.RANMASK.randomised(ranmask.RanMaskOptions(copies=1))
    assert not temperature.TEMPERATURE.randomised(temperature.TemperatureOptions())
    assert not spellcheck.SPELLCHECK.randomised(spellcheck.SpellcheckOptions())


# ---- ranmask: certificate


def test_delta_by_hand() -> None:
    found = [ranmask_certificate.delta(10, 3, changed) for changed in range(1, 5)]
    assert found == pytest.approx([0.3, 0.533333, 0.708333, 0.833333], abs=1e-6)
    assert ranmask_certificate.delta(10, 3, 0) == 0
    assert ranmask_certificate.delta(10, 3, 8) == 1


@pytest.mark.parametrize(("words", "kept"), [(4, 1), (5, 2), (6, 3)])
def test_delta_is_the_share_of_subsets_that_see_a_change(words: int, kept: int) -> None:
    subsets = list(itertools.combinations(range(words), kept))
    for changed in range(words + 1):
        seen = sum(any(place < changed for place in subset) for subset in subsets) / len(subsets)
        assert ranmask_certificate.delta(words, kept, changed) == pytest.approx(seen)


@pytest.mark.parametrize(("p_low", "radius"), [(0.93, 1), (0.55, 0), (0.5, None), (0.2, None), (1.0, 1), (0.8, 0)])
def test_the_radius_is_the_last_that_holds(p_low: float, radius: int | None) -> None:
    """Of 10 words 3 are kept. The published code gives 2 for 0.93 and 1 for 0.55: the first that fails."""
    assert ranmask_certificate.certified_radius(p_low, 10, 3) == radius


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.floats(0, 1))
def test_the_radius_holds_and_the_next_does_not(words: int, kept: int, p_low: float) -> None:
    kept = min(kept, words)
    radius = ranmask_certificate.certified_radius(p_low, words, kept)
    if radius is None:
        assert p_low <= 0.5
    else:
        assert p_low - ranmask_certificate.delta(words, kept, radius) > 0.5
        assert radius == words or p_low - ranmask_certificate.delta(words, kept, radius + 1) <= 0.5


def test_the_lower_bound_is_clopper_and_pearsons() -> None:
    from statsmodels.stats.proportion import proportion_confint

    assert ranmask_certificate.lower_bound(5000, 5000, 0.05) == pytest.approx(0.05 ** (1 / 5000))
    assert ranmask_certificate.lower_bound(0, 100, 0.05) == 0
    for successes in (1, 37, 99):
        expected = proportion_confint(successes, 100, alpha=0.1, method="beta")[0]
        assert ranmask_certificate.lower_bound(successes, 100, 0.05) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(6))
def test_no_text_within_a_certified_radius_changes_the_vote(seed: int) -> None:
    """All 3^4 texts of four words, one word kept, exact probabilities: certified means invariant. One more word flips.

    The classifier inside favours class 0, so that some texts are certified.
    """
    rng = random.Random(seed)
    votes: dict[str, int] = {}

    def share(text: str) -> float:
        copies = [ranmask.masked(text, places, "_") for places in itertools.combinations(range(4), 3)]
        return sum(votes.setdefault(copy, int(rng.random() < 0.35)) for copy in copies) / len(copies)

    texts = list(itertools.product("abc", repeat=4))
    shares = {text: share(" ".join(text)) for text in texts}
    certified, beyond = 0, 0
    for text, one in shares.items():
        radius = ranmask_certificate.certified_radius(max(one, 1 - one), 4, 1)
        if not radius:
            continue
        certified += 1
        for other, its in shares.items():
            changed = sum(a != b for a, b in zip(text, other, strict=True))
            same = (its > 0.5) == (one > 0.5) and its != 0.5
            assert same or changed > radius
            beyond += not same and changed == radius + 1
    assert certified > 0
    assert beyond > 0


def test_certificates_of_a_sure_and_of_an_unsure_classifier() -> None:
    inner = Fixed(lambda text: (0.0, 1.0))
    text = " ".join("abcdefghij")
    found = ranmask_certificate.certify(inner, text, MASK, 0.7, seed=1)
    assert len(inner.asked) == 5100
    assert found == (1, 1, pytest.approx(0.05 ** (1 / 5000)), 10, 3)
    assert found == ranmask_certificate.certify(inner, text, MASK, 0.7, seed=1)
    coin = Fixed(lambda masked: (0.0, 1.0 if masked.split()[0] == MASK else -1.0))
    unsure = ranmask_certificate.certify(coin, text, MASK, 0.5, seed=1, draws=400)
    assert (unsure.prediction, unsure.radius) == (None, None)
    assert unsure.p_low < 0.5
    with pytest.raises(BadOptions, match="randomised"):
        ranmask_certificate.certify(masker(inner), text, MASK, 0.7, seed=1)
    with pytest.raises(BadOptions, match="alpha"):
        ranmask_certificate.certify(inner, text, MASK, 0.7, seed=1, alpha=0)


# ---- spelling


@pytest.fixture(scope="module")
def corrector() -> speller.Speller:
    return speller.Speller(protected=(MASK, "[UNK]"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a terible mvoie", "a terrible movie"),
        ("Terible! (exelent), WONDERFULL.", "Terrible! (excellent), WONDERFUL."),
        ("the film's plot is n't good , it 's bad", "the film's plot is n't good , it 's bad"),
        ("i didn't, you don’t", "i didn't, you don’t"),
        ("mov1e 1234 3rd 90s", "mov1e 1234 3rd 90s"),
        ("a  b\tc\n" + COLUMN_SEPARATOR + "terible", "a  b\tc\n" + COLUMN_SEPARATOR + "terrible"),
        ("well-mdae snake_csae", "well-made snake_case"),
        ("[MASK] [UNK] xx[MASK]ed mask", "[MASK] [UNK] xx[MASK]ed mask"),
        ("wond\u0435rful", "wonderful"),  # a Cyrillic letter that looks like a Latin one
        ("qwrtzplkjh фильм 电影", "qwrtzplkjh фильм 电影"),
        ("bd x", "bd x"),
        ("", ""),
    ],
)
def test_corrections(corrector: speller.Speller, text: str, expected: str) -> None:
    assert corrector.correct(text) == expected


def test_no_mask_is_made_of_a_misspelt_one() -> None:
    for mask, text in ((MASK, "[MAKS] good"), ("<mask>", "a <maks>")):
        assert speller.Speller(protected=(mask,), known={"mask": 1}).correct(text) == text
        assert speller.Speller(known={"mask": 1}).correct(text) == text.replace("maks", "mask").replace("MAKS", "MASK")


def test_the_nearest_then_most_frequent_word_is_taken(corrector: speller.Speller) -> None:
    """Against an exhaustive search with another library's distance."""
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    counts = speller.frequencies()
    choices, rng = list(counts), random.Random(5)
    for word in rng.sample([word for word in choices if len(word) > 4 and word.isalpha()], 40):
        place = rng.randrange(len(word) - 1)
        for wrong in (
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
            word[:place] + word[place + 1 :],
            word[:place] + "q" + word[place:],
            word[:place] + "z" + word[place + 1 : -1],
        ):
            if wrong in counts:
                assert corrector.correct(wrong) == wrong
                continue
            near = process.extract(wrong, choices, scorer=OSA.distance, score_cutoff=2, limit=None)
            best = min(((distance, -counts[w], w) for w, distance, _ in near), default=(0, 0, wrong))[2]
            assert corrector.correct(wrong) == best


def test_ties_go_by_the_alphabet_and_options_limit_the_search() -> None:
    known = {"bat": 5, "cat": 5, "planet": 9, "planets": 1}
    assert speller.Speller(known=known).correct("xat") == "bat"
    assert speller.Speller(known={"cat": 6, **known, "bat": 5}).correct("xat") == "bat"
    assert speller.Speller(known={**known, "cat": 6}).correct("xat") == "cat"
    assert speller.Speller(known=known).correct("planetxx planetss") == "planet planets"
    assert speller.Speller(known=known, distance=1).correct("planetxx planetss") == "planetxx planets"
    assert speller.Speller(known=known, min_length=4).correct("xat plamet") == "xat planet"


def test_all_inner_swaps_of_a_word_have_one_output(corrector: speller.Speller) -> None:
    word = "wonderful"
    swaps = [word[:p] + word[p + 1] + word[p] + word[p + 2 :] for p in range(1, len(word) - 2)]
    assert {corrector.correct(swap) for swap in swaps} == {word}


SMALL = {"the": 9, "film": 8, "movie": 7, "don't": 3, "didn't": 2, "mask": 2, "bad": 5, "it's": 4, "i": 9, "a": 9}
LETTERS = st.text(st.sampled_from("thefilmovdnbaski'’ıßİé"), min_size=1, max_size=7)
NOISE = st.sampled_from(
    [*SMALL, *map(str.upper, SMALL), "Movei", "didnt", "DONT", "x'didnt", MASK, "[MAKS]", "1a", "_"]
)
PIECES = st.one_of(LETTERS, NOISE, st.text(max_size=6), st.sampled_from([" ", "  ", "\n", "-", ".", COLUMN_SEPARATOR]))
SENTENCE = st.lists(PIECES, max_size=12).map("".join)


@settings(max_examples=400, deadline=None)
@given(SENTENCE)
def test_correcting_twice_is_correcting_once_and_words_stay_as_many(text: str) -> None:
    small = speller.Speller(protected=(MASK, "[UNK]"), known=SMALL)
    made = small.correct(text)
    assert small.correct(made) == made
    assert len(made.split()) == len(text.split())
    assert re.findall(r"[\s\d]", made) == re.findall(r"[\s\d]", text)
    assert re.findall(r"[^\w\s'’]", made) == re.findall(r"[^\w\s'’]", text)
    assert made.count(MASK) == text.count(MASK)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["movie", "Terrible", "GOOD", "i'm", "and", "cinema", "[MASK]", "3", "?"])).map(" ".join)
)
def test_texts_of_known_words_are_left_alone(corrector: speller.Speller, text: str) -> None:
    assert corrector.correct(text) == text


@settings(max_examples=50, deadline=None)
@given(st.text(st.sampled_from("abcdefghilmnorstuvwy ABC.,'0"), max_size=60))
def test_the_full_dictionary_is_idempotent_too(corrector: speller.Speller, text: str) -> None:
    made = corrector.correct(text)
    assert corrector.correct(made) == made
    assert len(made.split()) == len(text.split())


def test_another_word_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(speller.frequencies()) == 82_834
    monkeypatch.setattr(speller, "DICTIONARY_SHA256", "0" * 64)
    with pytest.raises(BenchError, match=r"symspellpy is not that of version 6\.10\.1"):
        speller.frequencies.__wrapped__()


def test_the_classifier_sees_corrected_texts() -> None:
    inner = Fixed(lambda text: (1.0, 0.0))
    wrapped = spellcheck.wrap(around(inner), spellcheck.SpellcheckOptions())
    wrapped.logits(["a terible film", "[MASK] good"])
    assert inner.asked == ["a terrible film", "[MASK] good"]
    assert wrapped.forwards_per_prediction == 3
    assert not hasattr(wrapped, "redrawn")
    assert hasattr(spellcheck.wrap(around(masker(inner)), spellcheck.SpellcheckOptions()), "redrawn")
    assert spellcheck.SPELLCHECK.stage is Stage.TEXT


def test_training_texts_are_corrected_on_request() -> None:
    context, rng = around(None).fit, random.Random(0)
    assert spellcheck.edit("a terible film", rng, context, spellcheck.SpellcheckOptions()) == "a terible film"
    assert spellcheck.edit("a terible film", rng, context, spellcheck.SpellcheckOptions(train=True)) == (
        "a terrible film"
    )
    assert rng.random() == random.Random(0).random()
