"""Where fetched and derived files live, and clear errors when that place cannot be written."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import StoreError

ENVIRONMENT = "BENCH_CACHE"
OFFLINE = "BENCH_OFFLINE"
APPLICATION = "nlp-robustness-bench"


def cache_root() -> Path:
    """``BENCH_CACHE``, else the per-user cache folder of the platform. Nothing is created."""
    chosen = os.environ.get(ENVIRONMENT, "").strip()
    if chosen:
        return Path(os.path.abspath(os.path.expanduser(chosen)))
    import platformdirs

    return Path(platformdirs.user_cache_dir(APPLICATION))


def is_offline() -> bool:
    """Whether ``BENCH_OFFLINE`` forbids the network (empty, 0, no, off and false mean it does not)."""
    return os.environ.get(OFFLINE, "").strip().lower() not in ("", "0", "no", "off", "false")


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, a missing permission or a blocked path into StoreError."""
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"no space left to write {path}",
                "Free some space and run again (a run resumes), or set BENCH_CACHE to a folder on a larger disk",
            ) from problem
        if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise StoreError(
                f"cannot write {path} ({problem.strerror})",
                "Set BENCH_CACHE (or BENCH_STORE) to a folder you can write",
            ) from problem
        raise


def make_folder(path: Path) -> Path:
    """Create a folder of the cache; raises StoreError."""
    with readable_errors(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as problem:
            # Some file systems answer so where nothing can be created.
            raise StoreError(f"cannot create {path}", "Set BENCH_CACHE to a folder you can write") from problem
    return path


def check_writable(root: Path) -> None:
    """Write and remove a file in the cache; raises StoreError."""
    make_folder(root)
    with readable_errors(root), tempfile.NamedTemporaryFile(dir=root, prefix=".check-") as handle:
        handle.write(b"x")
