"""Suite files: strict, and errors that name line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.errors import BadSuite
from benchmark.suite import load_suite

GOOD = """\
name = "demo"
version = 1
title = "Demo"
model = "m"
defenses = ["a"]
attacks = ["b"]

[contract]
name = "c"
perturbed_words = 0.3

[datasets.one]
sample = ["x"]
perturbed_words = 0.1

[datasets.two]
sample = ["y"]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "demo.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_dataset_overrides_the_share_of_perturbed_words(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, GOOD))
    assert suite.contract_for("one").perturbed_words == 0.1
    assert suite.contract_for("two").perturbed_words == 0.3


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("version = 1", "version = 0", 2, "version"),
        ("perturbed_words = 0.3", "perturbed_wrods = 0.3", 10, "contract.perturbed_wrods"),
        ("perturbed_words = 0.1", "perturbed_words = 1.5", 14, "datasets.one.perturbed_words"),
        ('attacks = ["b"]', 'attacks = ["b", "b"]', None, "attacks lists a value twice"),
        ('title = "Demo"\n', "", None, "title"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int | None, field: str) -> None:
    with pytest.raises(BadSuite) as caught:
        load_suite(write(tmp_path, GOOD.replace(old, new)))
    assert field in str(caught.value)
    if line is not None:
        assert f"demo.toml, line {line}:" in str(caught.value)


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match="line 4"):
        load_suite(write(tmp_path, GOOD.replace('model = "m"', "model = m m")))


def test_a_missing_file_and_a_binary_file(tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match="does not exist"):
        load_suite(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSuite, match="UTF-8"):
        load_suite(tmp_path / "binary.toml")
