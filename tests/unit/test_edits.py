"""Edit scripts give back the adversarial text exactly, and do not carry what did not change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import BadRecord
from benchmark.leaderboard.edits import apply, edit_script

ORIGINAL = "A gripping, funny film that never lets the audience rest ."


@pytest.mark.parametrize(
    ("adversarial", "expected"),
    [
        (ORIGINAL, []),
        (ORIGINAL.replace("film", "movie"), [(18, 22, "movie")]),
        (ORIGINAL.replace("audience", "audeince"), None),
        (ORIGINAL.replace("never ", ""), [(28, 34, "")]),
        (ORIGINAL.replace("never", "never ever"), [(34, 34, "ever ")]),
        (ORIGINAL.lower(), [(0, 1, "a")]),
        ("", [(0, len(ORIGINAL), "")]),
    ],
)
def test_known_scripts(adversarial: str, expected: list[tuple[int, int, str]] | None) -> None:
    script = edit_script(ORIGINAL, adversarial)
    assert apply(ORIGINAL, script) == adversarial
    if expected is not None:
        assert script == expected


VOCABULARY = ("the", "a", "film", "plot", "is", "not", "very", "good", "bad", "dull", ",", ".", "!")
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=30).map(" ".join)
TEXTS = st.one_of(st.text(max_size=60), WORDS, st.text(alphabet="ab \n\u2028é", max_size=40))


@given(TEXTS, TEXTS)
def test_round_trip(original: str, adversarial: str) -> None:
    script = edit_script(original, adversarial)
    assert apply(original, script) == adversarial
    assert all(0 <= start <= end <= len(original) for start, end, _ in script)
    assert [edit[:2] for edit in script] == sorted(edit[:2] for edit in script)


@given(st.lists(st.text("abcdefgh", min_size=2, max_size=8), min_size=2, max_size=25), st.data())
def test_one_replaced_word_carries_one_word(words: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(words) - 1))
    changed = [*words[:index], "ZZZZZ", *words[index + 1 :]]
    script = edit_script(" ".join(words), " ".join(changed))
    assert sum(len(text) for _, _, text in script) <= len("ZZZZZ ")
    assert apply(" ".join(words), script) == " ".join(changed)


def test_a_lower_cased_text_does_not_carry_its_sentence() -> None:
    shouted = "The Plot Is Thin But The Actors Carry It"
    carried = "".join(text for _, _, text in edit_script(shouted, shouted.lower()))
    assert carried == "tpitbtaci"


@pytest.mark.parametrize("script", [[(0, 99, "")], [(4, 6, "x"), (5, 7, "y")], [(3, 2, "x")], [(-1, 2, "x")]])
def test_a_script_that_does_not_fit_is_refused(script: list[tuple[int, int, str]]) -> None:
    with pytest.raises(BadRecord):
        apply("a short text", script)
