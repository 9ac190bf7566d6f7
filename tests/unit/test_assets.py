"""The asset cache against a real package index on the loopback: fetching, damage, locks, extraction, derived files."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from warnings import catch_warnings, simplefilter

import pytest
from typer.testing import CliRunner

from benchmark.api import Asset, Dataset, Splits
from benchmark.assets.archive import extract_members, read_member
from benchmark.assets.cache import cache_root, is_offline, make_folder, readable_errors
from benchmark.assets.fetch import answers
from benchmark.assets.index import IndexSettings, find_index, parse_pip_config, read_pip_config, shown
from benchmark.assets.store import AssetStore
from benchmark.errors import AssetCorrupt, AssetMissing, BenchError, StoreError

MEMBERS = {
    "tiny/data/words.txt": b"good\nbad\n",
    "tiny/data/more/deep.txt": b"deep",
    "tiny/code.py": b"raise SystemExit",
}
FILENAME = "tiny_data-1.0-py3-none-any.whl"


def wheel(members: Mapping[str, bytes] = MEMBERS) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in members.items():
            bundle.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def asset_of(content: bytes, filename: str = FILENAME, members: tuple[str, ...] = ("tiny/data/*",)) -> Asset:
    return Asset(
        "tiny", "tiny-data", "1.0", filename, hashlib.sha256(content).hexdigest(), len(content), members, "", ""
    )


WHEEL = wheel()
TINY = asset_of(WHEEL)


class Index:
    """A PEP 503 and PEP 691 index of one file. ``bodies`` are served one after another, the last one for ever."""

    def __init__(self, *bodies: bytes, declared: int | None = None, json_page: bool = True, delay: float = 0) -> None:
        self.bodies, self.downloads, self.pages = list(bodies), 0, 0
        lock = threading.Lock()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/simple/tiny-data/":
                    index.pages += 1
                    self.reply(*index.page(json_page))
                elif self.path == f"/files/{FILENAME}":
                    with lock:
                        body = index.bodies[min(index.downloads, len(index.bodies) - 1)]
                        index.downloads += 1
                    threading.Event().wait(delay)
                    self.reply(body, "application/zip", declared)
                else:
                    self.send_error(404)

            def reply(self, body: bytes, kind: str, length: int | None = None) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def page(as_json: bool) -> tuple[bytes, str]:
        if not as_json:
            return f'<a href="/files/{FILENAME}">{FILENAME}</a>'.encode(), "text/html"
        file = {"filename": FILENAME, "url": f"/files/{FILENAME}", "hashes": {}}
        page = {"meta": {"api-version": "1.0"}, "name": "tiny-data", "files": [file]}
        return json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json"

    def store(self, root: Path) -> AssetStore:
        return AssetStore(root, progress=False, index=IndexSettings((self.url,), timeout=5))


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Index]]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "BENCH_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    started: list[Index] = []

    def start(*bodies: bytes, **options: object) -> Index:
        started.append(Index(*bodies, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for index in started:
        index.server.shutdown()
        index.server.server_close()


def put(store: AssetStore, asset: Asset, content: bytes) -> None:
    path = store.archive(asset)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def files(root: Path) -> list[str]:
    """Files under the cache but for locks."""
    found = (p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    return sorted(name for name in found if not name.startswith("locks/"))


# --- fetching -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("json_page", [True, False], ids=["pep691", "pep503"])
def test_fetches_once_checks_and_reads(serve: Callable[..., Index], tmp_path: Path, json_page: bool) -> None:
    index = serve(WHEEL, json_page=json_page)
    store = index.store(tmp_path)
    assert not store.present(TINY)
    assert store.ensure([TINY]) == [TINY]
    assert store.archive(TINY).read_bytes() == WHEEL
    assert store.ensure([TINY]) == []
    assert index.store(tmp_path).ensure([TINY]) == []
    assert (index.downloads, index.pages) == (1, 1)
    assert store.read(TINY, "tiny/data/words.txt") == b"good\nbad\n"


def test_progress_goes_to_standard_error(
    serve: Callable[..., Index], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = AssetStore(tmp_path, index=IndexSettings((serve(WHEEL).url,)))
    store.ensure([TINY])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "tiny" in printed.err


def test_wrong_file_twice_is_refused_and_removed(serve: Callable[..., Index], tmp_path: Path) -> None:
    wrong = bytes([WHEEL[0] ^ 1]) + WHEEL[1:]
    index = serve(wrong)
    with pytest.raises(AssetCorrupt, match=r"'tiny'.*twice in a row.*sha256"):
        index.store(tmp_path).ensure([TINY])
    assert index.downloads == 2
    assert files(tmp_path) == []


@pytest.mark.parametrize("declared", [None, len(WHEEL)], ids=["short-length", "broken-off"])
def test_cut_off_once_is_fetched_again(serve: Callable[..., Index], tmp_path: Path, declared: int | None) -> None:
    index = serve(WHEEL[:100], WHEEL, declared=declared)
    index.store(tmp_path).ensure([TINY])
    assert index.downloads == 2
    assert index.store(tmp_path).read(TINY, "tiny/data/more/deep.txt") == b"deep"


def test_cut_off_twice_and_too_long_are_refused(serve: Callable[..., Index], tmp_path: Path) -> None:
    with pytest.raises(AssetCorrupt, match=f"bytes arrived, pinned are {len(WHEEL)}"):
        serve(WHEEL[:100], declared=len(WHEEL)).store(tmp_path).ensure([TINY])
    with pytest.raises(AssetCorrupt, match="more than"):
        serve(WHEEL + b"x" * 200_000).store(tmp_path).ensure([TINY])
    assert files(tmp_path) == []


def test_two_processes_fetch_once(serve: Callable[..., Index], tmp_path: Path) -> None:
    index = serve(WHEEL, delay=0.5)
    code = (
        "import sys; from pathlib import Path; from benchmark.api import Asset; "
        "from benchmark.assets.index import IndexSettings; from benchmark.assets.store import AssetStore; "
        f"a = Asset('tiny', 'tiny-data', '1.0', {FILENAME!r}, {TINY.sha256!r}, {TINY.size}, ('tiny/data/*',), '', ''); "
        f"s = AssetStore(Path({str(tmp_path)!r}), progress=False, index=IndexSettings(({index.url!r},))); "
        "print(len(s.ensure([a])), (s.extract(a) / 'tiny/data/words.txt').read_bytes())"
    )
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=60)[0].split(" ", 1) for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sorted(count for count, _ in printed) == ["0", "1"]
    assert {content.strip() for _, content in printed} == {repr(b"good\nbad\n")}
    assert index.downloads == 1


def test_offline_names_the_asset_and_the_command(
    serve: Callable[..., Index], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = serve(WHEEL)
    monkeypatch.setenv("BENCH_OFFLINE", "1")
    with pytest.raises(AssetMissing, match=r"tiny.*`bench fetch`"):
        index.store(tmp_path).ensure([TINY])
    monkeypatch.setenv("BENCH_OFFLINE", "0")
    with pytest.raises(AssetMissing, match=r"tiny.*`bench fetch`"):
        AssetStore(tmp_path, offline=True).ensure([TINY])
    with pytest.raises(AssetMissing, match=r"'tiny'.*`bench fetch`"):
        index.store(tmp_path).read(TINY, "tiny/data/words.txt")
    assert (index.pages, index.downloads) == (0, 0)
    index.store(tmp_path).ensure([TINY])
    offline = AssetStore(tmp_path, offline=True)
    assert offline.ensure([TINY]) == []
    assert offline.read(TINY, "tiny/data/words.txt") == b"good\nbad\n"


def test_index_that_does_not_answer_or_lacks_the_file(serve: Callable[..., Index], tmp_path: Path) -> None:
    index = serve(WHEEL)
    index.server.shutdown()
    index.server.server_close()
    dead = index.url.replace("http://", "http://user:hunter2@")
    with pytest.raises(AssetMissing, match=r"'tiny'.*not reachable.*`bench fetch`") as caught:
        AssetStore(tmp_path, progress=False, index=IndexSettings((dead,), timeout=2)).ensure([TINY])
    assert "hunter2" not in str(caught.value)
    alive = serve(WHEEL)
    with pytest.raises(AssetMissing, match=r"has no distribution 'absent'"):
        alive.store(tmp_path).ensure([replace(TINY, distribution="absent")])
    with pytest.raises(AssetMissing, match=r"has no file tiny_data-2\.0"):
        alive.store(tmp_path).ensure([replace(TINY, filename="tiny_data-2.0-py3-none-any.whl")])
    with pytest.raises(AssetMissing, match="no index"):
        AssetStore(tmp_path, progress=False, index=IndexSettings((alive.url,), forbidden=True)).ensure([TINY])
    assert answers(IndexSettings((dead, alive.url)), "tiny-data") == (True, alive.url)
    assert answers(IndexSettings((dead,)), "tiny-data")[0] is False


def test_second_index_is_asked_when_the_first_has_another_file(serve: Callable[..., Index], tmp_path: Path) -> None:
    other, right = serve(WHEEL[::-1]), serve(WHEEL)
    store = AssetStore(tmp_path, progress=False, index=IndexSettings((other.url, right.url)))
    assert store.ensure([TINY]) == [TINY]
    assert (other.downloads, right.downloads) == (1, 1)


# --- damage in the cache --------------------------------------------------------------------------------------------


def test_flipped_bit_is_found_and_mended(serve: Callable[..., Index], tmp_path: Path) -> None:
    index = serve(WHEEL)
    index.store(tmp_path).ensure([TINY])
    path = index.store(tmp_path).archive(TINY)
    before = path.stat()
    path.write_bytes(WHEEL[:50] + bytes([WHEEL[50] ^ 1]) + WHEEL[51:])
    # The old times are put back, as copying tools do: size and modification time look untouched.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert index.store(tmp_path).present(TINY)
    with pytest.raises(AssetCorrupt, match=r"not the pinned file any more.*bench fetch"):
        index.store(tmp_path).read(TINY, "tiny/data/words.txt")
    assert index.store(tmp_path).ensure([TINY]) == [TINY]
    assert index.store(tmp_path).read(TINY, "tiny/data/words.txt") == b"good\nbad\n"


def test_hash_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(AssetStore(tmp_path), TINY, WHEEL)
    assert AssetStore(tmp_path).intact(TINY)
    called: list[Path] = []
    monkeypatch.setattr("benchmark.assets.store.file_digest", lambda path: called.append(path) or TINY.sha256)
    assert AssetStore(tmp_path).intact(TINY)
    assert called == []
    assert AssetStore(tmp_path).intact(TINY, thorough=True)
    assert len(called) == 1


def test_extracted_file_that_was_lost_is_unpacked_again(tmp_path: Path) -> None:
    put(AssetStore(tmp_path), TINY, WHEEL)
    folder = AssetStore(tmp_path).extract(TINY)
    found = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert found == ["tiny/data/more/deep.txt", "tiny/data/words.txt"]
    assert (folder / "tiny/data/words.txt").read_bytes() == b"good\nbad\n"
    (folder / "tiny/data/words.txt").unlink()
    (folder / "tiny/data/more/deep.txt").write_bytes(b"other")
    assert AssetStore(tmp_path).extract(TINY) == folder
    assert (folder / "tiny/data/words.txt").read_bytes() == b"good\nbad\n"
    assert (folder / "tiny/data/more/deep.txt").read_bytes() == b"deep"


def test_only_listed_members_are_read(tmp_path: Path) -> None:
    store = AssetStore(tmp_path)
    put(store, TINY, WHEEL)
    with pytest.raises(BenchError, match=r"does not list the member tiny/code\.py"):
        store.read(TINY, "tiny/code.py")
    with pytest.raises(AssetCorrupt, match=r"has no member tiny/data/absent"):
        store.read(TINY, "tiny/data/absent")


# --- archives -------------------------------------------------------------------------------------------------------


def sdist(entries: list[tarfile.TarInfo | tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                tar.addfile(info, io.BytesIO(entry[1]))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_sdist_is_read_as_data(tmp_path: Path) -> None:
    content = sdist(
        [special("t-1/d", tarfile.DIRTYPE), ("t-1/d/a.txt", b"a\r\n"), ("t-1/setup.py", b"raise SystemExit")]
    )
    asset = asset_of(content, "t-1.tar.gz", ("t-1/d/*",))
    store = AssetStore(tmp_path)
    put(store, asset, content)
    assert store.read(asset, "t-1/d/a.txt") == b"a\r\n"
    assert not list(tmp_path.rglob("setup.py"))


UNSAFE = ["../evil", "a/../../evil", "/evil", "a//b", "C:/evil", "a\\..\\evil", "./a", "a/."]


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_unsafe_names_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    archive = tmp_path / ("x.whl" if kind == "zip" else "x.tar.gz")
    archive.write_bytes(wheel({name: b"x"}) if kind == "zip" else sdist([(name, b"x")]))
    with pytest.raises(AssetCorrupt, match="unsafe path"):
        extract_members(archive, ["*"], tmp_path / "deep" / "out")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [archive.name]


@pytest.mark.parametrize(
    "entry",
    [
        special("d/link", tarfile.SYMTYPE, "/etc/passwd"),
        special("d/hard", tarfile.LNKTYPE, "../outside"),
        special("d/pipe", tarfile.FIFOTYPE),
        special("d/device", tarfile.CHRTYPE),
    ],
    ids=["symlink", "hardlink", "pipe", "device"],
)
def test_links_and_devices_are_refused(tmp_path: Path, entry: tarfile.TarInfo) -> None:
    archive = tmp_path / "x.tar.gz"
    archive.write_bytes(sdist([entry]))
    with pytest.raises(AssetCorrupt, match="link or device"):
        extract_members(archive, ["d/*"], tmp_path / "out")


def test_zip_link_double_entry_bomb_and_damage_are_refused(tmp_path: Path) -> None:
    archive, out = tmp_path / "x.whl", tmp_path / "out"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        link = zipfile.ZipInfo("d/link")
        link.external_attr = 0o120777 << 16
        bundle.writestr(link, "/etc/passwd")
    archive.write_bytes(buffer.getvalue())
    with pytest.raises(AssetCorrupt, match="link or device"):
        extract_members(archive, ["d/*"], out)

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle, catch_warnings():
        simplefilter("ignore")
        bundle.writestr("d/a", "1")
        bundle.writestr("d/a", "2")
    archive.write_bytes(buffer.getvalue())
    with pytest.raises(AssetCorrupt, match="twice"):
        extract_members(archive, ["d/*"], out / "double")

    archive.write_bytes(wheel({"d/a": b"0" * 6000, "d/b": b"0" * 6000}))
    with pytest.raises(AssetCorrupt, match="more than 10000 bytes"):
        extract_members(archive, ["d/*"], out / "bomb", limit=10_000)
    assert len(extract_members(archive, ["d/*"], out / "fits", limit=12_000)) == 2
    with pytest.raises(AssetCorrupt, match="has no member e/"):
        extract_members(archive, ["d/*", "e/*"], out / "absent")

    archive.write_bytes(WHEEL[: len(WHEEL) // 2])
    with pytest.raises(AssetCorrupt, match="cannot be unpacked"):
        read_member(archive, "tiny/data/words.txt")


# --- derived files --------------------------------------------------------------------------------------------------


def test_derived_is_built_once_for_equal_inputs(tmp_path: Path) -> None:
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "table.json").write_text("{}")

    first = AssetStore(tmp_path).derived("table", {"b": 1, "a": [2]}, build)
    assert AssetStore(tmp_path).derived("table", {"a": [2], "b": 1}, build) == first
    assert (first / "table.json").read_text() == "{}"
    assert built[0] != first
    assert first.name == "table-" + hashlib.sha256(b'{"a":[2],"b":1}').hexdigest()[:16]
    assert AssetStore(tmp_path).derived("table", {"a": [2], "b": 2}, build) != first
    assert len(built) == 2
    with pytest.raises(ValueError, match="named by"):
        AssetStore(tmp_path).derived("../table", {}, build)


def test_derived_build_that_crashes_leaves_nothing(tmp_path: Path) -> None:
    def crash(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        AssetStore(tmp_path).derived("table", {}, crash)
    assert list((tmp_path / "derived").iterdir()) == []
    assert AssetStore(tmp_path).derived("table", {}, lambda folder: None).is_dir()


def test_leftovers_of_a_killed_build_are_swept(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from benchmark.assets.store import AssetStore; "
        f"AssetStore(Path({str(tmp_path)!r})).derived('t', {{}}, lambda f: ((f / 'half').write_text('x'), os._exit(9)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 9
    assert [p.name for p in tmp_path.rglob("half")] == ["half"]
    folder = AssetStore(tmp_path).derived("t", {}, lambda f: None)
    assert list((tmp_path / "derived").iterdir()) == [folder]
    assert list(folder.iterdir()) == []


# --- settings of the machine ----------------------------------------------------------------------------------------


def test_cache_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "x"))
    assert cache_root() == tmp_path / "x"
    assert not (tmp_path / "x").exists()
    monkeypatch.setenv("BENCH_CACHE", " ")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "nlp-robustness-bench" in cache_root().parts
    for value, offline in (("", False), ("0", False), ("false", False), ("1", True), ("yes", True)):
        monkeypatch.setenv("BENCH_OFFLINE", value)
        assert is_offline() is offline


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot write.*BENCH_CACHE"):
        make_folder(tmp_path / "file" / "below")
    for number in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(StoreError, match="no space left"), readable_errors(tmp_path):
            raise OSError(number, os.strerror(number))
    with pytest.raises(TimeoutError), readable_errors(tmp_path):
        raise TimeoutError(errno.ETIMEDOUT, "slow")


def test_full_disk_while_fetching_leaves_nothing(
    serve: Callable[..., Index], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("benchmark.assets.fetch.os.fsync", full)
    with pytest.raises(StoreError, match="no space left"):
        serve(WHEEL).store(tmp_path).ensure([TINY])
    assert files(tmp_path) == []


def test_index_from_environment_and_pip() -> None:
    def found(env: dict[str, str], config: dict[str, str] | None = None) -> IndexSettings:
        return find_index(env, lambda: config or {})

    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    one, two = "https://one.invalid/simple", "https://two.invalid/simple"
    assert found({}).urls == (PYPI_SIMPLE_ENDPOINT,)
    assert found({"PIP_INDEX_URL": one}).urls == (one,)
    assert found({"PIP_INDEX_URL": one}, {"global.index-url": two}).urls == (one,)
    assert found({}, {"global.index-url": two}).urls == (two,)
    assert found({}, {"global.index-url": two, "install.index-url": one}).urls == (one,)
    assert found({"UV_INDEX_URL": two}).urls == (two,)
    assert found({"UV_DEFAULT_INDEX": one, "UV_INDEX_URL": two}).urls == (one,)
    assert found({"UV_INDEX": f"mine={two}"}).urls == (PYPI_SIMPLE_ENDPOINT, two)
    assert found({"PIP_INDEX_URL": one, "PIP_EXTRA_INDEX_URL": f"file:///opt/x {two}\n{one}"}).urls == (one, two)
    assert found({"PIP_INDEX_URL": "file:///opt/x"}).urls == ()
    assert found({"PIP_NO_INDEX": "1"}).forbidden
    assert found({}, {"global.no-index": "true"}).forbidden
    assert not found({"PIP_NO_INDEX": "0"}).forbidden
    full = found({"PIP_CERT": "/ca.pem", "PIP_PROXY": "http://proxy.invalid", "PIP_DEFAULT_TIMEOUT": "60"})
    assert (full.certificates, full.proxy, full.timeout) == ("/ca.pem", "http://proxy.invalid", 60.0)
    assert found({"PIP_DEFAULT_TIMEOUT": "soon"}).timeout == 15.0


def test_pip_config_is_parsed_and_pip_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (
        "global.index-url='https://a.invalid/?x=1'\nglobal.extra-index-url='b\\nc'\n:env:.cert='/x'\nodd line\nbad=[\n"
    )
    assert parse_pip_config(text) == {"global.index-url": "https://a.invalid/?x=1", "global.extra-index-url": "b\nc"}
    assert shown("https://me:secret@host.invalid:8/simple") == "https://host.invalid:8/simple"
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://real.invalid/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert read_pip_config().get("global.index-url") == "https://real.invalid/simple"
    monkeypatch.setattr("benchmark.assets.index.sys.executable", str(tmp_path / "no-python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_pip_config() == {}


# --- commands -------------------------------------------------------------------------------------------------------


@pytest.fixture
def app(
    serve: Callable[..., Index], private_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """``bench fetch`` and ``bench doctor`` with a registry of one dataset that needs the tiny asset."""
    import typer

    from benchmark.cli.doctor import doctor
    from benchmark.cli.fetch import fetch
    from benchmark.registry import Plugin, Registered, Registry

    data = Dataset("tiny", ("a", "b"), "1", load=lambda resources: Splits([], [], []), assets=(TINY,))
    registry = Registry([Registered("dataset", "tiny", data, Plugin("p", "d", "1"))])
    monkeypatch.setattr("benchmark.registry.load_registry", lambda: registry)
    monkeypatch.setenv("PIP_INDEX_URL", serve(WHEEL).url)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    commands = typer.Typer()
    commands.command("fetch")(fetch)
    commands.command("doctor")(doctor)

    def call(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(commands, arguments, env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout

    return call


def test_doctor_before_and_after_fetch(app: Callable[..., tuple[int, str]]) -> None:
    def report() -> tuple[int, bool, dict[tuple[str, str], str]]:
        code, text = app("doctor", "--json")
        data = json.loads(text)
        return code, data["ok"], {(f["topic"], f["name"]): f["state"] for f in data["findings"]}

    code, ok, states = report()
    assert (code, ok, states["asset", "tiny"]) == (1, False, "bad")
    assert (states["index", "package index"], states["cache", "folder"]) == ("ok", "ok")
    code, text = app("fetch")
    assert code == 0
    assert "fetched" in text
    code, ok, states = report()
    assert (code, ok, states["asset", "tiny"]) == (0, True, "ok")
    assert states["version", "torch"] == "ok"
    assert "was there" in app("fetch")[1]
    assert "Everything needed is here" in app("doctor")[1]
    assert app("fetch", "--quiet") == (0, "")
