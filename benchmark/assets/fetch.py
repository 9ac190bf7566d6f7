"""Download of one pinned archive: found in the simple index, streamed to a temporary file, checked, put in place."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.api import Asset
from benchmark.assets.cache import readable_errors
from benchmark.assets.index import IndexSettings, shown
from benchmark.errors import AssetCorrupt, AssetMissing

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 16
ATTEMPTS = 2

Advance = Callable[[int], None]
"""Told the number of bytes of the current attempt that have arrived."""


class _Damaged(Exception):
    """What arrived is not the pinned file."""


class _Unavailable(Exception):
    """The index did not answer, or has no such file."""


def download(asset: Asset, target: Path, index: IndexSettings, advance: Advance = lambda done: None) -> None:
    """Fetch ``asset`` to ``target``, whose folder exists; the caller holds the lock.

    A wrong or cut-off file is deleted and fetched once more. Raises AssetCorrupt when the second one is wrong as well,
    AssetMissing when no index gives the file, and StoreError when it cannot be written.
    """
    if index.forbidden or not index.urls:
        why = "pip is configured to use no index" if index.forbidden else "no http(s) index is configured"
        raise AssetMissing(f"asset '{asset.name}' cannot be fetched: {why}", _hint(index))
    damage: list[str] = []
    for _ in range(ATTEMPTS):
        refusals: list[str] = []
        known = len(damage)
        for url in index.urls:
            try:
                with _session(index) as session:
                    _attempt(asset, target, session, url, index.timeout, advance)
                return
            except _Damaged as problem:
                damage.append(f"{shown(url)}: {problem}")
            except _Unavailable as problem:
                refusals.append(f"{shown(url)}: {problem}")
        if len(damage) == known:
            break
    if len(damage) >= ATTEMPTS:
        raise AssetCorrupt(
            f"asset '{asset.name}' ({asset.filename}) is not the pinned file, twice in a row: {damage[-1]}",
            "Nothing was kept. Try `bench fetch` again; if it stays so, the index serves another file under this name",
        )
    raise AssetMissing(
        f"asset '{asset.name}' ({asset.filename}) could not be fetched: {'; '.join(damage + refusals)}", _hint(index)
    )


def answers(index: IndexSettings, distribution: str, timeout: float = 5.0) -> tuple[bool, str]:
    """Whether some index answers for a distribution, and one line that says which or why not."""
    if index.forbidden or not index.urls:
        return False, "pip is configured to use no index" if index.forbidden else "no http(s) index is configured"
    reasons = []
    for url in index.urls:
        with _session(index) as session:
            try:
                _project_files(session, url, distribution, timeout)
                return True, shown(url)
            except _Unavailable as problem:
                reasons.append(f"{shown(url)}: {problem}")
    return False, "; ".join(reasons)


def file_digest(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _hint(index: IndexSettings) -> str:
    if index.forbidden:
        return "Unset PIP_NO_INDEX (or no-index in pip's configuration), then run `bench fetch`"
    return "Check the network and PIP_INDEX_URL (`bench doctor` shows what is used), then run `bench fetch`"


@contextmanager
def _session(index: IndexSettings) -> Iterator[requests.Session]:
    import requests

    with requests.Session() as session:
        if index.certificates:
            session.verify = index.certificates
        if index.proxy:
            session.proxies = {"http": index.proxy, "https": index.proxy}
        yield session


def _project_files(session: requests.Session, url: str, distribution: str, timeout: float) -> list[tuple[str, str]]:
    """File names and addresses of a distribution."""
    import requests
    from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError, UnsupportedRepoVersionError

    try:
        page = PyPISimple(endpoint=url, session=session).get_project_page(distribution, timeout=timeout)
    except NoSuchProjectError:
        raise _Unavailable(f"has no distribution '{distribution}'") from None
    except requests.HTTPError as problem:
        status = problem.response.status_code if problem.response is not None else "an error"
        raise _Unavailable(f"answered {status}") from None
    except (UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError):
        # requests' own JSON and address errors are ValueErrors as well.
        raise _Unavailable("did not answer as a package index") from None
    except (requests.RequestException, OSError) as problem:
        raise _Unavailable(f"not reachable ({type(problem).__name__})") from None
    return [(package.filename, package.url) for package in page.packages]


def _attempt(asset: Asset, target: Path, session: requests.Session, url: str, timeout: float, advance: Advance) -> None:
    files = _project_files(session, url, asset.distribution, timeout)
    address = next((where for name, where in files if name == asset.filename), None)
    if address is None or not address.startswith(("http://", "https://")):
        raise _Unavailable(f"has no file {asset.filename} (version {asset.version})")
    with readable_errors(target):
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".part-")
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                digest = _stream(asset, session, address, timeout, handle.write, advance)
                handle.flush()
                os.fsync(handle.fileno())
            if digest != asset.sha256:
                raise _Damaged(f"sha256 is {digest[:12]}..., pinned is {asset.sha256[:12]}...")
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)


def _stream(
    asset: Asset,
    session: requests.Session,
    url: str,
    timeout: float,
    write: Callable[[bytes], object],
    advance: Advance,
) -> str:
    """Pass the body on to ``write``; returns its sha256. More bytes than pinned are not read."""
    import requests

    digest, done = hashlib.sha256(), 0
    try:
        # Without "identity" a server may compress the body, and its length would mean something else.
        with session.get(url, stream=True, timeout=timeout, headers={"Accept-Encoding": "identity"}) as answer:
            if answer.status_code != 200:
                raise _Unavailable(f"answered {answer.status_code} for {asset.filename}")
            advance(0)
            chunks = answer.iter_content(CHUNK)
            while done <= asset.size and (chunk := _next(chunks)):
                done += len(chunk)
                digest.update(chunk)
                write(chunk)
                advance(done)
    except requests.RequestException as problem:
        raise _Unavailable(f"not reachable ({type(problem).__name__})") from None
    if done != asset.size:
        raise _Damaged(f"{'more than ' if done > asset.size else ''}{done} bytes arrived, pinned are {asset.size}")
    return digest.hexdigest()


def _next(chunks: Iterator[bytes]) -> bytes:
    """The next piece of a body; a connection that breaks off ends it, like a server that stops early."""
    import requests

    try:
        return next(chunks, b"")
    except requests.RequestException:
        return b""
