"""The cache of pinned archives and of what is derived from them: :class:`benchmark.api.AssetReader`.

Layout under the root: ``archives/<sha16>/<filename>``, ``extracted/<name>-<sha16>/`` and ``derived/<name>-<hash16>/``.
Every folder is filled under a temporary name and then renamed, under a file lock: it is complete or not there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchmark.api import Asset
from benchmark.assets.archive import extract_members, matches, read_member
from benchmark.assets.cache import is_offline, make_folder, readable_errors
from benchmark.assets.fetch import Advance, download, file_digest
from benchmark.assets.index import IndexSettings, find_index
from benchmark.errors import AssetCorrupt, AssetMissing, BenchError
from benchmark.identity import digest


class AssetStore:
    """Read access to assets under ``root``. Only :meth:`ensure` uses the network, and not when ``offline``.

    ``offline`` is also set by ``BENCH_OFFLINE=1``. ``progress`` shows a bar on standard error while fetching.
    ``index`` replaces the machine's index settings.
    """

    def __init__(
        self, root: Path, offline: bool = False, progress: bool = True, index: IndexSettings | None = None
    ) -> None:
        self.root = root
        self.offline = offline or is_offline()
        self._progress = progress
        self._index = index
        self._checked: set[Path] = set()

    # --- archives ---------------------------------------------------------------------------------------------------

    def archive(self, asset: Asset) -> Path:
        """Where the asset's archive lies once it is fetched."""
        return self.root / "archives" / asset.sha256[:16] / asset.filename

    def present(self, asset: Asset) -> bool:
        """Whether the archive is cached, by its size (cheap; what it holds is checked when it is read)."""
        try:
            return self.archive(asset).stat().st_size == asset.size
        except OSError:
            return False

    def intact(self, asset: Asset, thorough: bool = False) -> bool:
        """Whether the archive is cached and its sha256 the pinned one.

        The hash is computed once and remembered in a stamp beside the archive for as long as size and times of the
        file stay the same; ``thorough`` computes it again.
        """
        path = self.archive(asset)
        if not self.present(asset):
            return False
        if path in self._checked and not thorough:
            return True
        facts, stamp = _facts(path, asset), path.with_name(path.name + ".checked")
        if thorough or _load(stamp) != facts:
            if file_digest(path) != asset.sha256:
                return False
            _remember(stamp, facts)
        self._checked.add(path)
        return True

    def ensure(self, assets: Iterable[Asset], thorough: bool = False) -> list[Asset]:
        """Fetch what is missing or damaged; returns what was fetched.

        Raises AssetMissing (offline, or no index has it), AssetCorrupt or StoreError.
        """
        wanted = [asset for asset in assets if not self.intact(asset, thorough)]
        if not wanted:
            return []
        if self.offline:
            names = ", ".join(f"{a.name} ({a.size / 1e6:.0f} MB)" for a in wanted)
            raise AssetMissing(
                f"not in the cache {self.root}, and BENCH_OFFLINE forbids fetching: {names}",
                "Run `bench fetch` without BENCH_OFFLINE, or copy the cache from another machine",
            )
        index = self._index or find_index()
        return [asset for asset, advance in self._bars(wanted) if self._fetch(asset, index, advance)]

    def _fetch(self, asset: Asset, index: IndexSettings, advance: Advance) -> bool:
        target = self.archive(asset)
        make_folder(target.parent)
        with self._lock(f"archive-{asset.sha256[:16]}"):
            # Another process may have fetched it while this one waited for the lock.
            if self.intact(asset):
                advance(asset.size)
                return False
            for leftover in target.parent.glob(".part-*"):
                leftover.unlink(missing_ok=True)
            self._discard(asset)
            download(asset, target, index, advance)
            _remember(target.with_name(target.name + ".checked"), _facts(target, asset))
            self._checked.add(target)
            return True

    def _bars(self, assets: list[Asset]) -> Iterator[tuple[Asset, Advance]]:
        if not self._progress:
            yield from ((asset, lambda done: None) for asset in assets)
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            tasks = [progress.add_task(f"fetch {a.name}", total=a.size, start=False) for a in assets]
            for asset, task in zip(assets, tasks, strict=True):
                progress.start_task(task)

                def advance(done: int, task: Any = task) -> None:
                    progress.update(task, completed=done)

                yield asset, advance

    def _discard(self, asset: Asset) -> None:
        path = self.archive(asset)
        self._checked.discard(path)
        with readable_errors(path):
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".checked").unlink(missing_ok=True)

    def _open(self, asset: Asset) -> Path:
        """The archive, checked; raises AssetMissing, or AssetCorrupt for a file that changed since it was fetched."""
        if self.intact(asset):
            return self.archive(asset)
        if not self.archive(asset).exists():
            raise AssetMissing(
                f"asset '{asset.name}' ({asset.filename}, {asset.size / 1e6:.0f} MB) is not in the cache {self.root}",
                "Run `bench fetch`",
            )
        raise AssetCorrupt(
            f"asset '{asset.name}': {self.archive(asset)} is not the pinned file any more (damaged or cut off)",
            "Run `bench fetch`, which replaces it",
        )

    # --- AssetReader ------------------------------------------------------------------------------------------------

    def read(self, asset: Asset, member: str) -> bytes:
        """The bytes of one member; raises AssetMissing or AssetCorrupt."""
        if not matches(member, asset.members):
            raise BenchError(f"asset '{asset.name}' does not list the member {member}", "Add it to Asset.members")
        if asset.filename.endswith(".whl"):
            return read_member(self._open(asset), member)
        # A tar archive has no index: looking one member up unpacks everything before it.
        path = self.extract(asset).joinpath(*member.split("/"))
        if not path.is_file():
            raise AssetCorrupt(f"{asset.filename} has no member {member}", "The asset pins another version")
        return path.read_bytes()

    def extract(self, asset: Asset) -> Path:
        """A folder with the asset's members at their archive paths; a file of it that changed is unpacked again."""
        archive = self._open(asset)
        patterns = digest(sorted(asset.members))[:8]
        folder = self.root / "extracted" / f"{asset.name}-{asset.sha256[:16]}-{patterns}"
        listing = folder.with_name(folder.name + ".json")
        if folder in self._checked:
            return folder
        # Looked at before the lock as well, so that a complete cache may be read-only.
        if not _complete(folder, listing):
            with self._lock(f"extracted-{folder.name}"):
                if not _complete(folder, listing):
                    with self._building(folder) as temporary:
                        extract_members(archive, asset.members, temporary)
                        _remember(listing, _listing(temporary))
        self._checked.add(folder)
        return folder

    def derived(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """A folder ``derived/<name>-<hash of inputs>``, filled by ``build`` once; a build that fails leaves nothing."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise ValueError(f"a derived folder is named by letters, digits, '.', '_' and '-', not {name!r}")
        folder = self.root / "derived" / f"{name}-{digest(dict(inputs))[:16]}"
        if not folder.is_dir():
            with self._lock(f"derived-{folder.name}"):
                if not folder.is_dir():
                    with self._building(folder) as temporary:
                        build(temporary)
        return folder

    @contextmanager
    def _building(self, folder: Path) -> Iterator[Path]:
        """A temporary folder beside ``folder`` that takes its place in the end; the caller holds the lock."""
        make_folder(folder.parent)
        for leftover in folder.parent.glob(f".{folder.name}.tmp-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        with readable_errors(folder):
            temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.tmp-"))
            try:
                yield temporary
                if folder.exists():
                    os.replace(folder, folder.parent / f".{folder.name}.tmp-old")
                os.replace(temporary, folder)
            finally:
                for leftover in folder.parent.glob(f".{folder.name}.tmp-*"):
                    shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        locks = make_folder(self.root / "locks")
        with readable_errors(locks):
            lock = FileLock(locks / f"{name}.lock")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def _facts(path: Path, asset: Asset) -> dict[str, Any]:
    state = path.stat()
    return {
        "sha256": asset.sha256,
        "size": state.st_size,
        "mtime_ns": state.st_mtime_ns,
        # Catches a change that put the old modification time back, as copying tools do.
        "ctime_ns": state.st_ctime_ns,
    }


def _complete(folder: Path, listing: Path) -> bool:
    """Whether an extracted folder holds what was put there, by names, sizes and modification times."""
    try:
        return folder.is_dir() and _load(listing) == _listing(folder)
    except OSError:
        return False


def _listing(folder: Path) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix(): [p.stat().st_size, p.stat().st_mtime_ns] for p in files}


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _remember(path: Path, facts: dict[str, Any]) -> None:
    """Write a small JSON file atomically. A cache that is read-only works all the same, only without the stamp."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(facts, sort_keys=True), encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
