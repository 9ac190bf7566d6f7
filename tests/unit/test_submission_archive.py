"""Archives made by hand to do harm: each is refused in one line that names the member, before anything is written."""

from __future__ import annotations

import io
import json
import stat
import struct
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from submissions import honest

from benchmark.leaderboard.evidence import CELLS, RECORDS
from benchmark.submission import archive as archives
from benchmark.submission import strictjson
from benchmark.submission.archive import MANIFEST, SUBMISSION, read_archive, read_file, write_archive
from benchmark.submission.content import manifest_bytes, read_content
from benchmark.submission.limits import BadArchive, shown


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return honest(tmp_path_factory.mktemp("honest"))


def info(name: str, mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo("placeholder", (1980, 1, 1, 0, 0, 0))
    found.filename = found.orig_filename = name  # the constructor would tidy it up
    found.create_system, found.external_attr, found.compress_type = 3, mode << 16, method
    return found


def zipped(members: Iterable[tuple[zipfile.ZipInfo, bytes]], comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of repeated names
        with zipfile.ZipFile(buffer, "w") as made:
            for member, data in members:
                made.writestr(member, data)
            made.comment = comment
    return buffer.getvalue()


def with_member(archive: bytes, member: zipfile.ZipInfo, data: bytes = b"{}") -> bytes:
    return zipped([*((info(name), content) for name, content in read_archive(archive).items()), (member, data)])


def refusal(data: bytes) -> str:
    with pytest.raises(BadArchive) as problem:
        read_content(data)
    assert "\n" not in problem.value.message
    assert problem.value.message.isprintable()
    return problem.value.message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../evil.json", "../evil.json: has a path that leads out of the archive"),
        ("evidence/../../evil", "evidence/../../evil: has a path that leads out of the archive"),
        ("/etc/passwd", "/etc/passwd: has an absolute path"),
        ("//host/share", "//host/share: has an absolute path"),
        ("C:/evil", "C:/evil: has a backslash or a colon"),
        ("..\\evil", "has a backslash or a colon"),
        ("evidence/./cells.json", "evidence/./cells.json: has a path that leads out"),
        ("evidence/records/", "evidence/records/: has a path that leads out of the archive, or a folder's"),
        ("x" * 500, "has a name of 500 characters (limit 120)"),
        ("évidence/x", "has a name with other than printable ASCII characters"),
        ("a\x1b[2Jb", "has a name with other than printable ASCII characters"),
        ("a\nb", "has a name with other than printable ASCII characters"),
        ("", "has a name with other than printable ASCII characters"),
        ("readme.txt", "readme.txt: is no member of a submission"),
        ("evidence/records/zz.jsonl", "evidence/records/zz.jsonl: is no member of a submission"),
        ("evidence/records/<script>.jsonl", "evidence/records/<script>.jsonl: is no member of a submission"),
        ("SUITE.json", "SUITE.json: differs from suite.json by case only"),
        ("suite.json", "suite.json: occurs twice"),
    ],
)
def test_names(archive: bytes, name: str, said: str) -> None:
    assert said in refusal(with_member(archive, info(name)))


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (stat.S_IFLNK | 0o777, "is a link"),
        (stat.S_IFCHR | 0o666, "is no regular file"),
        (stat.S_IFBLK | 0o666, "is no regular file"),
        (stat.S_IFIFO | 0o666, "is no regular file"),
        (stat.S_IFDIR | 0o755, "is no regular file"),
    ],
)
def test_links_and_devices(archive: bytes, mode: int, said: str) -> None:
    name = f"{RECORDS}/{'0' * 20}.jsonl"
    assert refusal(with_member(archive, info(name, mode), b"/etc/passwd")).startswith(f"{name}: {said}")


def test_a_name_with_a_nul_is_not_cut(archive: bytes) -> None:
    data = with_member(archive, info("suite.jsonXevil")).replace(b"suite.jsonXevil", b"suite.json\0evil")
    assert "has a name with other than printable ASCII characters" in refusal(data)


def test_a_name_that_is_no_utf8(archive: bytes) -> None:
    data = with_member(archive, info("éé")).replace("éé".encode(), b"\xff\xfe\xfd\xfc")
    assert "is no zip that can be read" in refusal(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bombs_are_not_opened(archive: bytes, method: int) -> None:
    name = f"{RECORDS}/{'0' * 20}.jsonl"
    data = with_member(archive, info(name, method=method), b"\0" * 50_000_000)
    assert len(data) < 200_000
    assert "claim to unpack to 50000000); pack stores members" in refusal(data)


def test_a_false_size_is_not_believed(archive: bytes) -> None:
    """A stored member that claims to be larger than it is, in both headers."""
    place = archive.rindex(b"PK\x01\x02")
    for size in (10**6, 2**31):
        damaged = bytearray(archive)
        damaged[place + 20 : place + 28] = struct.pack("<2L", size, size)
        refusal(bytes(damaged))


def test_sizes_and_counts(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MEMBER_BYTES", 1000)
    assert "bytes (limit 1000)" in refusal(archive)
    monkeypatch.undo()
    monkeypatch.setattr(archives, "ARCHIVE_BYTES", len(archive) - 1)
    assert "the archive: is larger than" in refusal(archive)
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MEMBERS", 3)
    assert "the archive: has 6 members (limit 3)" in refusal(archive)


def test_overlapping_members_do_not_add_up(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many entries of one stretch of bytes: what they would unpack to is summed before one is read."""
    body = zipped([(info(MANIFEST), b"x" * 1000)])
    end = body.index(b"PK\x01\x02")
    entry, entries = body[end:-22], []
    for number in range(50):
        name = f"{RECORDS}/{number:020x}.jsonl".encode()
        head = bytearray(entry[:46])
        head[28:30] = struct.pack("<H", len(name))
        entries.append(bytes(head) + name)
    directory = b"".join(entries)
    count = len(entries)
    data = body[:end] + directory + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), end, 0)
    monkeypatch.setattr(archives, "ARCHIVE_BYTES", 40_000)
    assert "makes the archive unpack to more than" in refusal(data)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"#!/bin/sh\n" + data,
        lambda data: data + b"\0",
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-2] + b"\1\0" + b"x",
        lambda data: b"",
        lambda data: b"PK\x05\x06" + b"\0" * 18,
        lambda data: b"\x1f\x8b" + b"\0" * 100,
        lambda data: data[:-18] + b"\xff\xff\xff\xff" + data[-14:],
    ],
)
def test_what_is_around_the_members(archive: bytes, change: Any) -> None:
    refusal(change(archive))


def test_other_forms_of_the_same_members(archive: bytes) -> None:
    """Another order, date, mode, comment or extra field: the content is the same, but it is not this archive."""
    members = read_archive(archive)
    entries = [(info(name), data) for name, data in members.items()]
    assert zipped(entries) == archive
    refusal(zipped(entries[::-1]))
    refusal(zipped(entries, comment=b"hello"))
    dated = info(MANIFEST)
    dated.date_time = (2020, 1, 1, 0, 0, 0)
    assert refusal(zipped([(dated, members[MANIFEST]), *entries[1:]])).startswith(f"{MANIFEST}: is not written in the")
    noted = info(MANIFEST)
    noted.extra = b"\x99\x99\x04\x00abcd"
    assert refusal(zipped([(noted, members[MANIFEST]), *entries[1:]])).startswith(f"{MANIFEST}: is not written in the")
    assert "suite.json: is not written" in refusal(
        zipped([*entries[:-1], (info("suite.json", 0o100755), entries[-1][1])])
    )


def test_missing_and_unlisted_members(archive: bytes) -> None:
    members = read_archive(archive)
    for name in (MANIFEST, SUBMISSION, CELLS):
        assert refusal(write_archive({n: d for n, d in members.items() if n != name})).startswith(f"{name}: is missing")
    records = next(name for name in members if name.startswith(RECORDS))
    fewer = {n: d for n, d in members.items() if n != records}
    assert f"{records}: is in the manifest, but not in the archive" in refusal(write_archive(fewer))
    del fewer[MANIFEST]
    assert f"{records}: is missing" in refusal(write_archive({**fewer, MANIFEST: manifest_bytes(fewer)}))
    more = {**members, f"{RECORDS}/{'0' * 20}.jsonl": b"{}\n"}
    assert f"{RECORDS}/{'0' * 20}.jsonl: is not in the manifest" in refusal(write_archive(more))
    del more[MANIFEST]
    assert f"{RECORDS}/{'0' * 20}.jsonl: has no cell" in refusal(
        write_archive({**more, MANIFEST: manifest_bytes(more)})
    )


def test_a_manifest_that_lies(archive: bytes) -> None:
    members = read_archive(archive)
    members["suite.json"] = members["suite.json"].replace(b"0.3", b"0.9")
    assert "suite.json: is not the file whose size and sha256 the manifest gives" in refusal(write_archive(members))


def rewritten(archive: bytes, name: str, data: bytes) -> bytes:
    members = read_archive(archive) | {name: data}
    del members[MANIFEST]
    return write_archive({**members, MANIFEST: manifest_bytes(members)})


def record_file(archive: bytes) -> tuple[str, bytes]:
    members = read_archive(archive)
    return next((n, d) for n, d in members.items() if n.startswith(RECORDS) and b"edits" in d)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"similarity": null', b'"similarity": NaN', "is not strict JSON (NaN is no number of JSON)"),
        (b'"similarity": null', b'"similarity": -Infinity', "-Infinity is no number of JSON"),
        (b'"similarity": null', b'"similarity": 1e999', "has a number that is not finite"),
        (b'"queries": 7', b'"queries": 7, "queries": 8', "a key is given twice"),
        (b'"queries": 7', b'"queries": "7"', "is not written in the one form that pack writes"),
        (b'"queries": 7', b'"queries": 7.0', "is not written in the one form that pack writes"),
        (b'"queries": 7', b'"queries": true', "is not written in the one form that pack writes"),
        (b'"queries": 7', b'"queries": -7', "field 'queries'"),
        (b'"queries": 7', b'"queries": ' + b"9" * 5000, "is not strict JSON"),
        (b'"queries": 7', b'"queries": ' + b"9" * 30, "has an integer beyond 2**53"),
        (b'"queries": 7', b'"queries": ' + b"[" * 5000 + b"]" * 5000, "is nested deeper than 24 levels"),
        (b'"queries": 7', b'"queries": ' + b"[" * 30 + b"]" * 30, "is nested deeper than 24 levels"),
        (b'"queries": 7', b'"queries": 7, "surprise": 1', "field 'surprise'"),
        (b'"queries": 7', b'"queries":  7', "is not written in the one form that pack writes"),
        (b'"error": null', b'"error": "' + b"x" * 20_000 + b'"', "has a string of 20000 characters (limit 10000)"),
        (b'"error": null', b'"error": "' + b"x" * 90_000 + b'"', "bytes (limit 65536)"),
        (b'"error": null', b'"error": "\\ud800"', "has half a surrogate pair"),
        (b'"error": null', b'"error": "\xff"', "is not UTF-8"),
        (b'"schema_version": 1', b'"schema_version": 99', "has schema version 99, this bench reads 1"),
        (b'"outcome": "held"', b'"outcome": "won"', "field 'outcome'"),
    ],
)  # fmt: skip
def test_records_that_are_no_strict_json(archive: bytes, old: bytes, new: bytes, said: str) -> None:
    name, data = record_file(archive)
    line = next(n for n, text in enumerate(data.split(b"\n"), 1) if old in text)
    message = refusal(rewritten(archive, name, data.replace(old, new, 1)))
    assert said in message
    assert message.startswith(name)
    assert "form that pack writes" in said or f"{name}, line {line}: " in message


@pytest.mark.parametrize("name", [MANIFEST, SUBMISSION, "suite.json", CELLS])
@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000, b'{"schema_version": 1}', b"[1]"]
)
def test_files_that_are_something_else(archive: bytes, name: str, data: bytes) -> None:
    if name == MANIFEST:
        message = refusal(write_archive(read_archive(archive) | {name: data}))
    else:
        message = refusal(rewritten(archive, name, data))
    assert message.startswith(name)


def test_a_record_of_another_cell(archive: bytes) -> None:
    name, data = record_file(archive)
    key = name[len(RECORDS) + 1 : -len(".jsonl")].encode()
    assert "line 1: belongs to cell 0000" in refusal(rewritten(archive, name, data.replace(key, b"0" * 20, 1)))


def test_a_key_that_is_a_path(archive: bytes) -> None:
    cells = json.loads(read_archive(archive)[CELLS])
    cells[0]["key"] = "../../evil"
    message = refusal(rewritten(archive, CELLS, json.dumps(cells).encode()))
    assert message.startswith(f"{RECORDS}/../../evil.jsonl: is missing")


def test_files_are_read_up_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadArchive, match="cannot be read"):
        read_file(tmp_path / "none.zip")
    with pytest.raises(BadArchive, match="cannot be read"):
        read_file(tmp_path)
    monkeypatch.setattr(archives, "ARCHIVE_BYTES", 2**20)
    with pytest.raises(BadArchive, match="is larger than 1 MiB"):
        read_file(Path("/dev/zero"))


def test_strangers_text_in_messages_is_one_short_printable_line() -> None:
    assert shown("plain") == "plain"
    assert shown("\x1b[31mred\n") == r"\x1b[31mred\n"
    assert shown("é\u202e") == r"\xe9\u202e"
    assert len(shown("x" * 1000)) == 80


def test_depth_counts_levels_not_brackets_in_strings() -> None:
    assert strictjson.load(b'{"a": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}', "x") == {"a": "[" * 33}
    deep = "[" * 23 + "1" + "]" * 23
    assert strictjson.load(deep.encode(), "x") is not None
    with pytest.raises(BadArchive, match="x: is nested deeper"):
        strictjson.load(f"[{deep}]".encode(), "x")
