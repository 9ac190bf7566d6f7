"""Bad input and bad machines: one clear message each, no traceback, nothing lost; --traceback shows it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Bench = Callable[..., "subprocess.CompletedProcess[str]"]


def refused(done: subprocess.CompletedProcess[str], *words: str, code: int | None = None) -> None:
    assert done.returncode != 0
    assert code is None or done.returncode == code
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.startswith("error: ")
    for word in words:
        assert word in done.stderr


def test_unknown_names_get_suggestions(bench: Bench) -> None:
    refused(bench("run", "-d", "mpv", "--dry-run"), "no defense called 'mpv'", "mvp", code=2)
    refused(bench("run", "-a", "textfoler", "--dry-run"), "no attack called 'textfoler'", "textfooler", code=2)
    refused(bench("run", "--suite", "smoek", "--dry-run"), "no suite called 'smoek'", "smoke", code=2)
    refused(bench("run", "--dataset", "rotten", "--dry-run"), "rotten_tomatoes", code=2)
    refused(bench("run", "-d", "mvp+celan", "--dry-run"), "celan", "clean", code=2)


def test_nothing_selected_says_what_to_do(bench: Bench) -> None:
    refused(bench("run"), "bench run --all")


def test_the_default_suite_may_be_named(bench: Bench) -> None:
    """It was taken for nothing selected."""
    done = bench("run", "--suite", "mini", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "plan of suite mini" in done.stdout


def test_unknown_options_are_refused(bench: Bench) -> None:
    refused(bench("run", "--suite", "smoke", "--set", "mvp.tempaltes=2", "--dry-run"), "tempaltes", "templates", code=2)
    refused(bench("run", "--suite", "smoke", "--set", "nonsense", "--dry-run"), "NAME.OPTION=VALUE", code=2)
    refused(
        bench("run", "--suite", "smoke", "--set", "training.epoch=1", "--dry-run"), "training.epoch", "epochs", code=2
    )
    refused(bench("run", "--suite", "smoke", "--set", "training.epochs=-1", "--dry-run"), "training.epochs", code=2)
    refused(bench("run", "--suite", "smoke", "--set", "mvpp.templates=2", "--dry-run"), "mvpp", code=2)


def test_a_malformed_suite_names_line_and_field(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nversion = 1\ntitle = "t"\nmodel = "m"\ndefenses = "mvp"\n')
    refused(bench("run", "--suite", str(path)), "mine.toml, line 5", "defenses", code=2)
    path.write_text("name = \n")
    refused(bench("run", "--suite", str(path)), "line 1", code=2)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "review,stars\ngood,1\n", ("a.csv", "text")),
        ("a.csv", "text,label\ngood,1\n,0\n", ("a.csv", "row 2", "text")),
        ("a.jsonl", '{"text": "good", "label": 1}\n{"text": "bad"}\n', ("a.jsonl", "row 2", "label")),
        ("a.jsonl", '{"text": "good", "label": 1}\nnot json\n', ("a.jsonl", "row 2")),
        ("none.csv", None, ("none.csv",)),
    ],
)
def test_a_bad_data_file_names_file_row_and_column(
    bench: Bench, tmp_path: Path, name: str, content: str | None, words: tuple[str, ...]
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    refused(bench("run", "-d", "mlp", "--dataset", f"path={tmp_path / name}"), *words, code=2)


def test_missing_assets_offline_are_named_with_the_command(bench: Bench) -> None:
    done = bench("run", "--all", env={"BENCH_OFFLINE": "1"})
    refused(done, "bench fetch", "minilm", "wordnet")


def test_an_unwritable_cache_is_named(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = bench("run", "--suite", "smoke", env={"BENCH_CACHE": str(tmp_path / "file" / "cache")})
    refused(done, str(tmp_path / "file"), "BENCH_CACHE")


def test_traceback_on_request(bench: Bench) -> None:
    done = bench("run", "-d", "mpv", "--dry-run", "--traceback")
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "UnknownName" in done.stderr


def test_help_and_list_load_no_heavy_library() -> None:
    code = (
        "import sys\nfrom benchmark.cli.main import make_app\n"
        "try:\n    make_app()({arguments})\nexcept SystemExit: pass\n"
        "heavy = {{'torch', 'transformers', 'textattack', 'spacy', 'nltk', 'matplotlib', 'statsmodels', 'polars'}}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    for arguments in (["--help"], ["run", "--help"], ["list"]):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments=arguments)], capture_output=True, text=True, timeout=60
        )
        assert "HEAVY []" in done.stdout, done.stdout[-500:] + done.stderr[-500:]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "bench-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_said_and_the_run_goes_on_later(bench: Bench, small_disk: Path, swap_plugin: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 36_000)
    command = ("run", "--suite", "smoke", "-a", "letterswap", "--store", str(small_disk / "store"))
    refused(bench(*command, plugins=swap_plugin), "no space left", "resumes")
    (small_disk / "ballast").unlink()
    again = bench(*command, plugins=swap_plugin)
    assert again.returncode == 0, again.stderr
    assert "4 from the store" in again.stdout or "computed" in again.stdout
