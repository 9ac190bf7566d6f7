"""Keys and seeds are frozen: a changed value here means that stored results lose their names."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.identity import canonical, cell_key, derive_seed

# Expected values must NOT be changed: raise KEY_VERSION and add a line instead.
GOLDEN = [
    ({}, "{}"),
    ({"b": 1, "a": [1, 2.5, None, True]}, '{"a":[1,2.5,null,true],"b":1}'),
    ({"ä": "ü"}, '{"\\u00e4":"\\u00fc"}'),
]


@pytest.mark.parametrize(("spec", "text"), GOLDEN)
def test_canonical_text_and_key(spec: dict[str, object], text: str) -> None:
    assert canonical(spec) == text
    wrapped = '{"key_version":1,"spec":' + text + "}"
    assert cell_key(spec) == hashlib.sha256(wrapped.encode()).hexdigest()[:20]


def test_golden_key_and_seed() -> None:
    assert cell_key({"dataset": "d", "seed": 0}) == "dcdb407d27ce8eb4e6da"
    assert derive_seed("cell", "example") == int(hashlib.sha256(b'["cell","example"]').hexdigest()[:8], 16)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans(), min_size=1))
def test_key_ignores_the_order_of_a_dict_and_nothing_else(spec: dict[str, object]) -> None:
    shuffled = list(spec.items())
    random.Random(1).shuffle(shuffled)
    assert cell_key(dict(shuffled)) == cell_key(spec)
    name = next(iter(spec))
    assert cell_key({**spec, name: [spec[name]]}) != cell_key(spec)


def test_nan_has_no_identity() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        cell_key({"x": float("nan")})
