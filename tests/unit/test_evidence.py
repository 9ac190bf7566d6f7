"""Published records: no sentence of a dataset, nothing of the machine, and every text can be rebuilt."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.api import Example
from benchmark.errors import BadRecord, NewerSchema
from benchmark.leaderboard.evidence import (
    evidence_files,
    make_evidence,
    read_evidence,
    rebuild_texts,
    to_evidence,
    to_published_cell,
)
from benchmark.records import CellFile, CleanRecord, ExampleRecord, Outcome, Timing, dump

TEXT = "an unusually moving portrait of a quiet town"


def record(example: str = "x1", text: str = TEXT, adversarial: str | None = None, **more: object) -> ExampleRecord:
    values: dict[str, object] = {
        "cell": "c1", "example_id": example, "label": 1, "prediction": 1, "outcome": Outcome.HELD, "text": text,
        "adversarial_text": adversarial, "queries": 5, "forwards": 4, "words": 8, "timing": Timing(seconds=1.5),
    }  # fmt: skip
    return ExampleRecord.model_validate(values | more)


def cell(key: str, attack: str | None, provenance: dict[str, object] | None = None) -> CellFile:
    return CellFile(
        key=key, suite="toy", suite_version=1, dataset="reviews", defense="plain", attack=attack,
        attack_display=attack and f"{attack}[x]", seed=0, model="tiny", spec={"a": 1}, provenance=provenance or {},
    )  # fmt: skip


def test_no_sentence_and_no_timing_is_published() -> None:
    broken = record(
        adversarial=TEXT.replace("moving", "touching"),
        outcome=Outcome.BROKEN,
        adversarial_prediction=0,
        error=None,
    )
    line = dump(to_evidence(broken))
    data = json.loads(line)
    assert data["edits"] == [[13, 19, "touching"]]
    assert data["text_sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert "portrait" not in line
    assert not {"timing", "text", "adversarial_text"} & data.keys()


@pytest.mark.parametrize(
    ("error", "published"),
    [
        (f"ValueError: cannot read '{TEXT}'", "ValueError"),
        (f"torch.OutOfMemoryError: {TEXT}", "torch.OutOfMemoryError"),
        ("KeyError", "KeyError"),
        (f"'{TEXT}' failed", "Error"),
    ],
)
def test_only_the_class_of_an_error_is_published(error: str, published: str) -> None:
    assert to_evidence(record(outcome=Outcome.ERROR, error=error)).error == published


def test_provenance_keeps_facts_and_drops_the_machine() -> None:
    published = to_published_cell(
        cell(
            "c1",
            "swap",
            {
                "training": {"seconds": 3.5, "checkpoint": "/home/someone/cache/x", "steps": 10},
                "environment": {
                    "python": "3.11.9", "system": "Linux x86_64", "hostname": "box", "user": "someone",
                    "libraries": {"torch": "2.5"}, "index": "see https://user@mirror.example/simple",
                },
                "command": ["bench", "run"],
                "forwards_per_prediction": 4,
                "plugins": {"swap": "toy-plugin 1.0"},
            },
        )
    )  # fmt: skip
    assert published.provenance == {
        "training": {"seconds": 3.5, "steps": 10},
        "environment": {"python": "3.11.9", "system": "Linux x86_64", "libraries": {"torch": "2.5"}},
        "forwards_per_prediction": 4,
        "plugins": {"swap": "toy-plugin 1.0"},
    }
    assert published.key == "c1"


def write(page: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (page / name).parent.mkdir(parents=True, exist_ok=True)
        (page / name).write_bytes(data)


def test_written_evidence_is_sorted_stable_and_reads_back(tmp_path: Path) -> None:
    found = [record("b"), record("a", adversarial=TEXT + "\u2028!", outcome=Outcome.HELD)]
    clean = [CleanRecord(cell="c0", example_id=i, label=0, prediction=1) for i in ("z", "a")]
    one = make_evidence([cell("c1", "swap"), cell("c0", None)], {"c1": found}, {"c0": clean})
    two = make_evidence([cell("c0", None), cell("c1", "swap")], {"c1": found[::-1]}, {"c0": clean[::-1]})
    files = evidence_files(one)
    assert files == evidence_files(two)
    records = ["evidence/records/c0.jsonl", "evidence/records/c1.jsonl"]
    assert list(files) == ["evidence/cells.json", "evidence/digests.json", *records]
    assert [
        json.loads(line)["example_id"] for line in files["evidence/records/c1.jsonl"].decode().split("\n")[:-1]
    ] == [
        "a",
        "b",
    ]
    write(tmp_path, files)
    assert read_evidence(tmp_path) == one


def test_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match=r"cells\.json is missing"):
        read_evidence(tmp_path)
    files = evidence_files(make_evidence([cell("c1", "swap")], {"c1": [record("a"), record("b")]}, {}))
    write(tmp_path, files)
    path = tmp_path / "evidence/records/c1.jsonl"
    lines = path.read_text().split("\n")
    path.write_text(lines[0] + "\n" + lines[1].replace('"queries": 5', '"queries": "many"') + "\n")
    with pytest.raises(BadRecord, match=r"c1\.jsonl, line 2: field 'queries'"):
        read_evidence(tmp_path)
    path.write_text(lines[0].replace('"schema_version": 1', '"schema_version": 99') + "\n")
    with pytest.raises(NewerSchema, match="line 1"):
        read_evidence(tmp_path)
    path.write_text(lines[0].replace('"cell": "c1"', '"cell": "c2"') + "\n")
    with pytest.raises(BadRecord, match="belongs to cell c2"):
        read_evidence(tmp_path)


def test_a_key_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, {"evidence/cells.json": json.dumps([cell("../../x", "swap").model_dump()]).encode()})
    with pytest.raises(BadRecord, match="not a cell key"):
        read_evidence(tmp_path)


@given(st.text(max_size=40), st.none() | st.text(max_size=40))
def test_texts_are_rebuilt(text: str, adversarial: str | None) -> None:
    rebuilt = rebuild_texts([to_evidence(record(text=text, adversarial=adversarial))], [Example("x1", text, 1)])
    assert rebuilt == [("x1", text, adversarial)]


def test_rebuilding_verifies_every_hash() -> None:
    published = to_evidence(record(adversarial=TEXT.replace("quiet", "calm")))
    with pytest.raises(BadRecord, match="no such example"):
        rebuild_texts([published], [])
    with pytest.raises(BadRecord, match="text is another one"):
        rebuild_texts([published], [Example("x1", TEXT + "!", 1)])
    forged = published.model_copy(update={"edits": ((0, 2, "the"),)})
    with pytest.raises(BadRecord, match="edits do not give"):
        rebuild_texts([forged], [Example("x1", TEXT, 1)])
