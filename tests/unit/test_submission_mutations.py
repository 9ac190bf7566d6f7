"""A thousand mutated archives: none crashes the review, and none is accepted for what it was made of.

An archive has one byte form, so a mutation that changes nothing that is read does not exist: every byte is content or
refused. What remains are edits of the content itself, with a manifest that fits again. Where they contradict the
dataset, the contract, the suite or each other they are refused; where they do not, they are another claim: with a
digest of its own, claimed, and only in the fields below, which nobody can tell without running the defense.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from submissions import honest, known

from benchmark.errors import BenchError
from benchmark.leaderboard.evidence import CELLS, RECORDS, evidence_files
from benchmark.leaderboard.publish import page_files
from benchmark.leaderboard.table import build_table
from benchmark.submission.archive import MANIFEST, SUBMISSION, SUITE, read_archive, write_archive
from benchmark.submission.content import archive_bytes, manifest_bytes, read_content
from benchmark.submission.review import Review, claimed, review

UNTOLD = frozenset(
    {
        "queries", "forwards", "outcome", "similarity",  # of a record: held or exhausted, similarity as encoders differ
        "prediction",  # of the clean evaluation
        "violations",  # their words
        "provenance", "attack_display",
        "environment", "source", "checkpoints",
        "title", "notes", "defenses", "seeds", "options",  # of the suite, whose own form is the reviewer's
    }
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**60, 0.5, 1e308, "", "x", "<script>alert(1)</script>", "../../x", "é\u202e", [], {}, [[]],
    {"a": 1}, "held", "broken", "error",
)  # fmt: skip
VALUES = st.sampled_from(ODD)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return honest(tmp_path_factory.mktemp("honest"))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values, containers too."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += leaves(item, (*path, key))
    return found


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def near(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same kind, which the form of an archive does not refuse."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return VALUES
    if isinstance(value, int):
        return st.integers(-2, 200)
    if isinstance(value, float):
        return st.integers(-10_000, 200_000).map(lambda n: n / 100_000)
    return st.sampled_from([value[::-1], value[:-1], value + "0", "0" * len(value)])


def remove(value: Any, path: tuple[Any, ...]) -> None:
    for key in path[:-1]:
        value = value[key]
    del value[path[-1]]


def edited(data: st.DataObject, name: str, content: bytes) -> tuple[bytes, tuple[Any, ...]]:
    """One JSON value of a member replaced or removed, canonically written; and its path."""
    lines = [json.loads(line) for line in content.splitlines()] if name.startswith(RECORDS) else [json.loads(content)]
    value: Any = data.draw(st.sampled_from(lines))
    path = data.draw(st.sampled_from(leaves(value)))
    if data.draw(st.sampled_from([True, True, True, False])):
        put(value, path, data.draw(VALUES | near(at(value, path))))
    else:
        remove(value, path)
    if name.startswith(RECORDS):
        text = "".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines)
    else:
        text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "surrogatepass"), path


def mutated_bytes(data: st.DataObject, archive: bytes) -> bytes:
    place = data.draw(st.integers(0, len(archive) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "drop", "insert", "repeat", "zero"]))
    if kind == "flip":
        return archive[:place] + bytes([archive[place] ^ data.draw(st.integers(1, 255))]) + archive[place + 1 :]
    if kind == "cut":
        return archive[:place]
    length = data.draw(st.integers(1, 64))
    if kind == "drop":
        return archive[:place] + archive[place + length :]
    if kind == "insert":
        return archive[:place] + data.draw(st.binary(min_size=1, max_size=length)) + archive[place:]
    if kind == "repeat":
        return archive[: place + length] + archive[place:]
    return archive[:place] + bytes(length) + archive[place + length :]


def mutated_members(data: st.DataObject, archive: bytes) -> tuple[bytes, tuple[Any, ...]]:
    members = read_archive(archive)
    names = sorted(members)
    name = data.draw(st.sampled_from(names + 4 * [name for name in names if name.startswith(RECORDS)]))
    kind = data.draw(st.sampled_from(["edit", "edit", "edit", "swap", "lines", "remove", "copy"]))
    path: tuple[Any, ...] = ()
    if kind == "edit":
        members[name], path = edited(data, name, members[name])
    elif kind == "swap":
        other = data.draw(st.sampled_from(names))
        members[name], members[other] = members[other], members[name]
    elif kind == "lines":
        lines = members[name].split(b"\n")
        a, b = data.draw(st.integers(0, len(lines) - 1)), data.draw(st.integers(0, len(lines) - 1))
        lines[a], lines[b] = lines[b], lines[a]
        members[name] = b"\n".join(lines)
    elif kind == "remove":
        del members[name]
    else:
        members[f"{RECORDS}/{data.draw(st.integers(0, 9)):020}.jsonl"] = members[name]
    if data.draw(st.sampled_from([True, True, True, False])):
        members.pop(MANIFEST, None)
        members[MANIFEST] = manifest_bytes(members)
    elif name != MANIFEST:
        path = ()  # nothing but the manifest itself may be accepted
    return write_archive(members), path


def outcome(mutant: bytes) -> Review | str:
    """The review, or why the archive could not even be read. Any other exception fails the test."""
    try:
        return review(mutant, known())
    except BenchError as problem:
        return problem.message


@settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_thousand_mutated_archives(archive: bytes, data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from([True, False, False]))
    mutant, path = (mutated_bytes(data, archive), ()) if raw else mutated_members(data, archive)
    found = outcome(mutant)
    if isinstance(found, str):
        assert found.isprintable()
        return
    assert archive_bytes(found.content) == mutant
    if found.problems:
        assert all(isinstance(problem, str) for problem in found.problems)
        return
    original = read_content(archive)
    if mutant == archive:
        assert found.content == original
        return
    assert not raw, "a changed byte was accepted"
    assert found.sha256 != review(archive, known()).sha256
    assert path, "accepted without an edit of its content, or with a manifest that does not fit"
    assert UNTOLD & set(path), f"accepted with another {path}"
    # Whatever is accepted can be put on a page: no renderer meets a value that it does not expect.
    evidence = claimed(found)
    assert page_files(build_table(known().suite, evidence), evidence_files(evidence))


def test_mutations_reach_the_deep_checks(archive: bytes) -> None:
    """The edits above are not all refused for their form: a re-hashed canonical edit gets as far as the dataset."""
    members = read_archive(archive)
    name = next(n for n, d in members.items() if n.startswith(RECORDS) and b'"example_id": "e4"' in d and b"edits" in d)
    lines = [json.loads(line) for line in members[name].splitlines()]
    lines[4]["text_sha256"] = "0" * 64
    members[name] = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines).encode()
    del members[MANIFEST]
    members[MANIFEST] = manifest_bytes(members)
    assert "the dataset's text is another one" in review(write_archive(members), known()).problems[0]
    assert {CELLS, SUBMISSION, SUITE} <= members.keys()


def test_every_single_byte_counts(archive: bytes, tmp_path: Path) -> None:
    """Every 7th byte of the whole archive, headers and directory included, flipped: always refused."""
    accepted = []
    for place in range(0, len(archive), 7):
        mutant = archive[:place] + bytes([archive[place] ^ 0x04]) + archive[place + 1 :]
        try:
            read_content(mutant)
            accepted.append(place)
        except BenchError:
            continue
    assert accepted == []
    assert list(tmp_path.iterdir()) == []
