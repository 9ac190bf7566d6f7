"""Local files, the hash rule of the parts, and samples."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.api import Example
from benchmark.data.local import load_local
from benchmark.data.parts import example_id, part_of, split_by_hash, unique
from benchmark.data.sample import select, stratified_ids, stratified_rows
from benchmark.errors import BadData

ROWS = [(f"text number {i}", "yes" if i % 3 else "no") for i in range(60)]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def make(text: str, label: int) -> Example:
    return Example(example_id(text), text, label)


EXAMPLES = st.lists(st.tuples(st.text("abcdef", min_size=1, max_size=4), st.integers(0, 3)), max_size=60).map(
    lambda pairs: unique(make(text, label) for text, label in pairs)
)


# --- parts and samples ----------------------------------------------------------------------------------------------


def test_part_and_id_of_known_texts() -> None:
    # sha256("a") = ca978112ca1bbdca...48bb, computed with coreutils' sha256sum.
    known = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert example_id(" a\n") == "ca978112ca1bbdca"
    assert part_of("a") == int(known, 16) % 10 == 9
    assert [part_of(t) for t in ("b", "c", "d")] == [
        int.from_bytes(hashlib.sha256(t.encode()).digest(), "big") % 10 for t in ("b", "c", "d")
    ]


@given(TEXTS)
def test_space_around_a_text_changes_nothing(text: str) -> None:
    assert part_of(f" {text}\n") == part_of(text)
    assert example_id(f"\t{text} ") == example_id(text)


@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=4), st.integers(0, 1))))
def test_parts_are_disjoint_complete_and_free_of_conflicts(pairs: list[tuple[str, int]]) -> None:
    splits = split_by_hash(make(text, label) for text, label in pairs)
    labels: dict[str, set[int]] = {}
    for text, label in pairs:
        labels.setdefault(text, set()).add(label)
    kept = [example for part in splits for example in part]
    assert Counter(e.text for e in kept) == Counter(text for text, found in labels.items() if len(found) == 1)
    for part, numbers in zip(splits, (range(8), (8,), (9,)), strict=True):
        assert all(part_of(example.text) in numbers for example in part)
    order = [e.text for e in splits.train]
    assert order == sorted(order, key=[text for text, _ in pairs].index)


@given(EXAMPLES, st.integers(0, 70), st.randoms())
def test_sample_is_even_nested_and_blind_to_order(examples: list[Example], size: int, random: object) -> None:
    rows = stratified_rows(examples, size)
    assert len(rows) == min(size, len(examples))
    assert [e.id for e in rows] == sorted({e.id for e in rows})
    shuffled = list(examples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert stratified_rows(shuffled, size) == rows
    assert stratified_ids(examples, size) == tuple(e.id for e in rows)
    assert set(rows) <= set(stratified_rows(examples, size + 1))
    drawn, there = Counter(e.label for e in rows), Counter(e.label for e in examples)
    for label in there:
        # No label gets two more than another that still has examples left.
        assert all(drawn[label] <= drawn[other] + 1 for other in there if drawn[other] < there[other])
        ranked = sorted((e for e in examples if e.label == label), key=lambda e: hashlib.sha256(e.id.encode()).digest())
        assert {e.id for e in rows if e.label == label} == {e.id for e in ranked[: drawn[label]]}


def test_select_keeps_the_order_of_the_ids_and_names_missing_ones() -> None:
    examples = [make(t, 0) for t in "abc"]
    assert [e.text for e in select(examples, [example_id("c"), example_id("a")])] == ["c", "a"]
    with pytest.raises(BadData, match=r"2 of 3 sample ids .*: feed, beef"):
        select(examples, ["feed", example_id("a"), "beef"])


# --- reading --------------------------------------------------------------------------------------------------------


def write(path: Path, rows: list[tuple[object, object]], columns: tuple[str, str] = ("text", "label")) -> Path:
    name = path.name
    if name.endswith((".jsonl", ".jsonl.gz")):
        data = "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    elif name.endswith(".parquet"):
        import polars

        polars.DataFrame({column: [row[i] for row in rows] for i, column in enumerate(columns)}).write_parquet(path)
    else:
        with path.open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle, delimiter="\t" if name.endswith(".tsv") else ",").writerows([columns, *rows])
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.tsv", "a.parquet", "A.CSV"])
def test_every_format_gives_the_same_parts(tmp_path: Path, name: str) -> None:
    names, splits = load_local(write(tmp_path / name, list(ROWS)), "text", "label")
    assert names == ("no", "yes")
    found = {e.text: names[e.label] for part in splits for e in part}
    assert found == dict(ROWS)
    expected = [t for t, _ in ROWS if int(hashlib.sha256(t.encode()).hexdigest(), 16) % 10 == 9]
    assert [e.text for e in splits.test] == expected


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([10, 9, 2], ("2", "9", "10")),
        (["10", "9", "2"], ("2", "9", "10")),
        ([1.0, 0.0, 0.0], ("0", "1")),
        ([True, False, True], ("false", "true")),
        ([-1, 1, -1], ("-1", "1")),
        (["B", "a", " B "], ("B", "a")),
    ],
)
def test_label_names_are_sorted_numbers_by_value(tmp_path: Path, labels: list[object], names: tuple[str, ...]) -> None:
    rows = [(f"text {i}", labels[i % 3]) for i in range(90)]
    found, splits = load_local(write(tmp_path / "a.jsonl", rows), "text", "label")
    assert found == names
    assert {e.label for part in splits for e in part} == set(range(len(names)))


def test_byte_order_mark_other_columns_and_quoted_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = ["sentence,extra,class", *(f'"{text},\n""so""",x,{label}' for text, label in ROWS)]
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8-sig")
    names, splits = load_local(path, "sentence", "class")
    assert names == ("no", "yes")
    assert {e.text for part in splits for e in part} == {f'{text},\n"so"' for text, _ in ROWS}


def test_conflicting_label_drops_the_text_and_its_class(tmp_path: Path) -> None:
    rows = [*ROWS, ("text number 1", "no"), ("text number 2", "yes"), ("only one", "a"), ("only one", "b")]
    names, splits = load_local(write(tmp_path / "a.jsonl", list(rows)), "text", "label")
    texts = [e.text for part in splits for e in part]
    assert names == ("no", "yes")
    assert len(texts) == 59
    assert {"text number 1", "only one"}.isdisjoint(texts)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.parquet"])
@pytest.mark.parametrize(
    ("row", "what"),
    [
        (("  ", "yes"), r"row 61, column 'text': the text is empty"),
        (("fine", " "), r"row 61, column 'label': the label is missing"),
    ],
)
def test_empty_cells_name_file_row_and_column(tmp_path: Path, name: str, row: tuple[str, str], what: str) -> None:
    path = write(tmp_path / name, [*ROWS, row])
    with pytest.raises(BadData, match=what) as caught:
        load_local(path, "text", "label")
    assert str(path) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_missing_column_is_named_with_those_that_are_there(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, list(ROWS), ("sentence", "label"))
    with pytest.raises(BadData, match=r"no column 'text'.*columns here: sentence, label"):
        load_local(path, "text", "label")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.jsonl", b'{"text": "a", "label": 1}\n\n{"text": "b", "label"', r"row 2: not JSON"),
        ("a.jsonl", b'{"text": "a", "label": 1}\n[1]\n', r"row 2: a JSON list"),
        ("a.jsonl", b'{"text": "a", "label": 1}\n{"text": "b"}\n', r"row 2: there is no column 'label'"),
        ("a.jsonl", b'{"text": "a", "label": null}\n', r"row 1, column 'label': the label is missing"),
        ("a.jsonl", b'{"text": "a", "label": NaN}\n', r"row 1, column 'label': the label is missing"),
        ("a.jsonl", b'{"text": "a", "label": 0.5}\n', r"row 1, column 'label': 0.5 is no label"),
        ("a.jsonl", b'{"text": "a", "label": {}}\n', r"row 1, column 'label'"),
        ("a.jsonl", b'{"text": 7, "label": 1}\n', r"row 1, column 'text': the text is a int"),
        ("a.jsonl", b'{"text": null, "label": 1}\n', r"row 1, column 'text': the text is empty"),
        ("a.jsonl", b'{"text": "\\ud800", "label": 1}\n', r"row 1, column 'text': .*surrogate"),
        ("a.jsonl", "{}".encode("utf-16"), r"row 1: not UTF-8"),
        ("a.jsonl", b"[" * 100_000, r"row 1: not JSON"),
        ("a.jsonl", b"", r"has no rows"),
        ("a.jsonl.gz", b"no gzip", r"row 1: damaged gzip"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a", "label": 1}\n')[:-6], r"damaged gzip"),
        ("a.csv", b"", r"header: there is no column 'text'"),
        ("a.csv", b"text,label,text\n", r"more than one column 'text'"),
        ("a.csv", b"text,label\na,1\nb,2,3\n", r"row 2: 3 cells, the header has 2"),
        ("a.csv", b"text,label\na,1\nb\n", r"row 2: 1 cells"),
        ("a.csv", b'text,label\na,1\n"b,2\n', r"row 2: malformed"),
        ("a.csv", b'text,label\n"a" b,1\n', r"row 1: malformed"),
        ("a.csv", b"text,label\n\xff,1\n", r"not UTF-8"),
        ("a.parquet", b"PAR1 but not really", r"cannot be read as parquet"),
        ("a.xlsx", b"", r"unknown file format '.xlsx'"),
    ],
)
def test_damaged_files_name_the_place(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadData, match=what) as caught:
        load_local(path, "text", "label")
    assert name in str(caught.value)


def test_parquet_null_label(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [("a", 1), ("b", None)])
    with pytest.raises(BadData, match=r"row 2, column 'label': the label is missing"):
        load_local(path, "text", "label")


def test_one_class_too_few_rows_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"two labels or more, found: no"):
        load_local(write(tmp_path / "a.csv", [(t, "no") for t, _ in ROWS]), "text", "label")
    with pytest.raises(BadData, match=r"too small: of 2 different texts none falls into part validation"):
        load_local(write(tmp_path / "b.csv", [("a", "x"), ("b", "y")]), "text", "label")
    with pytest.raises(BadData, match="does not exist"):
        load_local(tmp_path / "absent.csv", "text", "label")
    with pytest.raises(BadData, match="is a folder"):
        load_local(tmp_path, "text", "label")
    with pytest.raises(BadData, match="both column 'text'"):
        load_local(tmp_path / "a.csv", "text", "text")
