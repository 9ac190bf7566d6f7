"""Reading and extracting members of wheels (zip) and sdists (tar.gz) without trusting them."""

from __future__ import annotations

import fnmatch
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmark.errors import AssetCorrupt

LIMIT = 1 << 30
"""Most bytes that the members of one archive may unpack to (1 GiB)."""

Visit = Callable[[str, int, IO[bytes]], None]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a path inside an archive fits one of the glob patterns (``*`` also matches ``/``)."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def read_member(archive: Path, member: str, limit: int = LIMIT) -> bytes:
    """The bytes of one member; raises AssetCorrupt when it is missing or unsafe."""
    found: list[bytes] = []
    _visit(archive, lambda name: name == member, lambda name, size, data: found.append(_read(data, limit)), limit)
    if not found:
        raise _bad(archive, f"has no member {member}")
    return found[0]


def extract_members(archive: Path, patterns: Sequence[str], into: Path, limit: int = LIMIT) -> list[str]:
    """Write the matching members below ``into`` at their archive paths; returns the sorted paths.

    Refused with AssetCorrupt: absolute paths, ``..``, links and devices, a path that occurs twice, members that unpack
    to more than ``limit`` bytes together, and a pattern that nothing matches.
    """
    names: list[str] = []

    def write(name: str, size: int, data: IO[bytes]) -> None:
        target = into.joinpath(*name.split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as handle:
            handle.write(_read(data, size))
        names.append(name)

    _visit(archive, lambda name: matches(name, patterns), write, limit)
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in names):
            raise _bad(archive, f"has no member {pattern}")
    return sorted(names)


def check_name(archive: Path, name: str) -> None:
    """Raise AssetCorrupt for a path that could leave the folder it is written to, on any platform."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or any(c in name for c in "\\:\0"):
        raise _bad(archive, f"holds the unsafe path {name!r}")


def _visit(archive: Path, wanted: Callable[[str], bool], visit: Visit, limit: int) -> None:
    seen: set[str] = set()
    total = 0
    with _readable(archive):
        for name, size, plain, opened in _entries(archive, wanted):
            check_name(archive, name)
            if not plain:
                raise _bad(archive, f"holds a link or device at {name!r}")
            if name in seen:
                raise _bad(archive, f"holds {name!r} twice")
            seen.add(name)
            total += size
            if total > limit:
                raise _bad(archive, f"unpacks to more than {limit} bytes")
            with opened() as data:
                visit(name, size, data)


Entry = tuple[str, int, bool, Callable[[], IO[bytes]]]


def _entries(archive: Path, wanted: Callable[[str], bool]) -> Iterator[Entry]:
    """Wanted members, folders left out: path, unpacked size, whether it is a plain file, and how to open it."""
    if archive.name.endswith((".tar.gz", ".tgz")):
        with tarfile.open(archive, "r:gz") as tar:
            for info in tar:
                if wanted(info.name) and not info.isdir():
                    yield info.name, info.size, info.isreg() and not info.issparse(), lambda i=info: _tar(tar, i)  # type: ignore[misc]
        return
    with zipfile.ZipFile(archive) as bundle:
        for entry in bundle.infolist():
            mode = stat.S_IFMT(entry.external_attr >> 16)
            if wanted(entry.filename) and not entry.is_dir():
                yield entry.filename, entry.file_size, mode in (0, stat.S_IFREG), lambda e=entry: bundle.open(e)  # type: ignore[misc]


def _tar(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    data = tar.extractfile(info)
    if data is None:
        raise tarfile.TarError(f"{info.name} is no file")
    return data


def _read(data: IO[bytes], size: int) -> bytes:
    """At most ``size`` bytes: a member that unpacks to more than it declares is an error."""
    content = data.read(size + 1)
    if len(content) > size:
        raise zipfile.BadZipFile("a member is longer than it declares")
    return content


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, NotImplementedError) as problem:
        raise _bad(archive, f"cannot be unpacked ({problem})") from None


def _bad(archive: Path, what: str) -> AssetCorrupt:
    return AssetCorrupt(f"{archive.name} {what}", "Remove it from the cache and run `bench fetch`")
