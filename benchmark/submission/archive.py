"""The archive: a zip whose bytes follow from its members, so that there is one archive for one content.

Members are stored, not compressed: zip libraries compress in different ways, and what is stored cannot be a bomb.
Order, dates, modes and flags are fixed. Reading refuses whatever writing would not have made.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from benchmark.leaderboard.evidence import CELLS, RECORDS
from benchmark.submission.limits import (
    ARCHIVE_BYTES,
    MEMBER_BYTES,
    MEMBERS,
    NAME_CHARACTERS,
    BadArchive,
    refused,
    shown,
)

MANIFEST = "MANIFEST.json"
SUBMISSION = "submission.json"
SUITE = "suite.json"
RECORD_FILE = re.compile(rf"{RECORDS}/[0-9a-f]{{20}}\.jsonl")
REQUIRED = (MANIFEST, SUBMISSION, SUITE, CELLS)

_END = struct.Struct("<4s4H2LH")
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = stat.S_IFREG | 0o644
_UNREADABLE = (
    zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError, EOFError, OSError, KeyError, IndexError,
    OverflowError, struct.error,
)  # fmt: skip


def write_archive(members: Mapping[str, bytes]) -> bytes:
    """The archive of these members; equal members give equal bytes on every machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system = 3
            info.external_attr = _MODE << 16
            archive.writestr(info, members[name])
    return buffer.getvalue()


def read_file(path: Path) -> bytes:
    """The bytes of an archive, at most :data:`ARCHIVE_BYTES`; raises BadArchive."""
    try:
        with path.open("rb") as handle:
            data = handle.read(ARCHIVE_BYTES + 1)
    except OSError as problem:
        raise BadArchive(f"{path} cannot be read ({problem.strerror or problem})", "Give an archive") from None
    if len(data) > ARCHIVE_BYTES:
        raise BadArchive(f"{path} is larger than {ARCHIVE_BYTES >> 20} MiB", "Submit fewer defenses in one archive")
    return data


def read_archive(data: bytes) -> dict[str, bytes]:
    """The members, in memory; raises BadArchive for anything that :func:`write_archive` would not have made."""
    _check_end(data)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _UNREADABLE as problem:
        raise refused("the archive", f"is no zip that can be read ({shown(problem)})") from None
    infos = archive.infolist()
    _check_members(infos)
    members = {}
    for info in infos:
        try:
            with archive.open(info) as handle:
                members[info.filename] = handle.read(info.file_size + 1)
        except _UNREADABLE as problem:
            raise refused(info.filename, f"cannot be read ({shown(problem)})") from None
    again = write_archive(members)
    if again != data:
        raise refused(_first_difference(infos, data, again), "is not written in the one form that pack writes")
    return members


def _check_end(data: bytes) -> None:
    """The last record first: it says how many members there are, before any of them is looked at."""
    if len(data) > ARCHIVE_BYTES:
        raise refused("the archive", f"is larger than {ARCHIVE_BYTES >> 20} MiB")
    if len(data) < _END.size or data[-_END.size :][:4] != b"PK\x05\x06":
        raise refused("the archive", "does not end as a zip without a comment does")
    _, disk, start, here, count, size, offset, comment = _END.unpack(data[-_END.size :])
    if disk or start or comment or here != count or size + offset + _END.size != len(data):
        raise refused("the archive", "has a comment, several parts, or bytes around its members")
    if count > MEMBERS:
        raise refused("the archive", f"has {count} members (limit {MEMBERS})")


def _check_members(infos: list[zipfile.ZipInfo]) -> None:
    seen: dict[str, str] = {}
    total = 0
    for info in infos:
        name = info.orig_filename
        fault = name_fault(name) or _kind_fault(info)
        if fault:
            raise refused(name, fault)
        if name.casefold() in seen:
            other = seen[name.casefold()]
            same = "occurs twice" if other == name else f"differs from {shown(other)} by case only"
            raise refused(name, same)
        seen[name.casefold()] = name
        total += info.file_size
        if total > ARCHIVE_BYTES:
            raise refused(name, f"makes the archive unpack to more than {ARCHIVE_BYTES >> 20} MiB")
    for name in seen.values():
        if name not in REQUIRED and not RECORD_FILE.fullmatch(name):
            raise refused(name, "is no member of a submission")
    missing = [name for name in REQUIRED if name not in seen.values()]
    if missing:
        raise refused(missing[0], "is missing")


def name_fault(name: str) -> str | None:
    """Why a member's name is refused, or None."""
    if len(name) > NAME_CHARACTERS:
        return f"has a name of {len(name)} characters (limit {NAME_CHARACTERS})"
    if not name or not name.isascii() or not name.isprintable():
        return "has a name with other than printable ASCII characters"
    if "\\" in name or ":" in name:
        return "has a backslash or a colon in its name"
    if name.startswith("/"):
        return "has an absolute path"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "has a path that leads out of the archive, or a folder's"
    return None


def _kind_fault(info: zipfile.ZipInfo) -> str | None:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "is a link"
    if mode and not stat.S_ISREG(mode):
        return "is no regular file (a device, a pipe or a folder)"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        return (
            f"is compressed ({info.compress_size} bytes that claim to unpack to {info.file_size}); pack stores members"
        )
    if info.file_size > MEMBER_BYTES:
        return f"has {info.file_size} bytes (limit {MEMBER_BYTES})"
    return None


def _first_difference(infos: list[zipfile.ZipInfo], data: bytes, again: bytes) -> str:
    """The member in whose bytes the two archives differ first."""
    place = next((n for n, (a, b) in enumerate(zip(data, again, strict=False)) if a != b), min(len(data), len(again)))
    before = [info for info in sorted(infos, key=lambda info: info.header_offset) if info.header_offset <= place]
    return before[-1].orig_filename if before and place < len(data) - _END.size else "the archive"
