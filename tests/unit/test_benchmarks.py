"""What the benchmarks are built of: texts, sizes, and the tables made of their results. No benchmark runs here."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmark import Example
from benchmark.data.parts import TEST_PART, example_id, part_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "benchmarks"


def module(name: str) -> ModuleType:
    """A module of the benchmarks, which are no package and not on the path."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def test_benchmarks_are_no_part_of_the_default_run() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    paths = [ROOT / path for path in settings["testpaths"]]
    assert all(path.is_dir() for path in paths)
    assert not any(FOLDER.is_relative_to(path) for path in paths)
    left_out = {p for p in (ROOT / "tests").rglob("test_*.py") if not any(p.is_relative_to(path) for path in paths)}
    assert left_out == set(FOLDER.glob("test_*.py"))


def test_sizes_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = module("sizes")
    for name in sizes.Sizes._fields:
        monkeypatch.delenv(f"BENCH_{name.upper()}", raising=False)
    assert sizes.read_sizes() == sizes.Sizes(jobs=sizes.cores())
    monkeypatch.setenv("BENCH_EXAMPLES", "3")
    monkeypatch.setenv("BENCH_SCALE", "2,4")
    monkeypatch.setenv("BENCH_PRECISION", "bf16")
    found = sizes.read_sizes()
    assert (found.examples, found.scale, found.precision) == (3, (2, 4), "bf16")


def reviews_of(number: int) -> list[Example]:
    texts = [f"review {n} says that the film is worth {n} looks" for n in range(number)]
    return [Example(example_id(text), text, n % 2) for n, text in enumerate(texts)]


def test_joined_texts_are_long_of_one_label_and_in_the_test_part() -> None:
    examples = reviews_of(20)
    made = list(module("reviews").joined(examples, 50, 6))
    assert [label for _, label in made] == [0, 1, 0, 1, 0, 1]
    for text, label in made:
        assert 50 <= len(text.split()) < 60
        assert part_of(text) == TEST_PART
        numbers = {int(word) for word in text.split() if word.isdigit()}
        assert {n % 2 for n in numbers} == {label}
    assert made == list(module("reviews").joined(examples, 50, 6))


def test_spliced_texts_are_different_and_in_the_test_part() -> None:
    made = list(module("reviews").spliced(reviews_of(40), 12))
    assert len({text for text, _ in made}) == 12
    assert {part_of(text) for text, _ in made} == {TEST_PART}


# --- tables ---------------------------------------------------------------------------------------------------------


def bench(name: str, data: list[float], **info: Any) -> dict[str, Any]:
    return {
        "name": name,
        "fullname": f"tests/{name}",
        "stats": {"median": sorted(data)[len(data) // 2], "data": data},
        "extra_info": info,
    }


def attack(contender: str, data: list[float], **info: Any) -> dict[str, Any]:
    shared = {"kind": "attack", "recipe": "textfooler", "length": "short", "examples": 10, "rounds": 3, "queries": 700}
    return bench(contender, data, **shared, contender=contender, **info)


def run_of(*benchmarks: dict[str, Any]) -> dict[str, Any]:
    machine = {
        "machine": "x86_64", "python_version": "3.11.0", "cpu": {"brand_raw": "A CPU", "count": 2},
        "libraries": {"torch": "2"}, "settings": {"BENCH_EXAMPLES": "10"},
    }  # fmt: skip
    return {
        "datetime": "2026-01-02T03:04:05",
        "commit_info": {"id": "0123456789abcdef"},
        "machine_info": machine,
        "benchmarks": list(benchmarks),
    }


RUN = run_of(
    attack("stock", [100.0, 120.0, 140.0], inside={"victim": 105.0, "encoder": 21.0}),
    attack("repaired", [30.0, 12.0, 11.0], same_as_stock=9),
    attack("engine", [4.0, 5.0, 6.0], identity={"compared": 10, "different": 2, "explained": [{"reason": "ties"}]}),
    bench("20", [3.0] * 3, kind="scale", attack="a", examples=20, attack_seconds=2.0, worker_mb=900,
          worker_mb_ready=880, main_mb=100),
    bench("200", [23.0] * 3, kind="scale", attack="a", examples=200, attack_seconds=22.0, worker_mb=1000,
          worker_mb_ready=880, main_mb=110),
    bench("start", [2.0, 1.0, 3.0], kind="start-up", command="bench list"),
)  # fmt: skip


def test_tables_by_hand() -> None:
    table = module("table")
    lines = table.figures(RUN).splitlines()
    assert "by `BENCH_EXAMPLES=10 tox -e bench` on A CPU" in lines[0]
    # 120 / 5 = 24, short of 25; 12 / 5 = 2.4, short of 3. Per example: 12 s, 1.2 s, 0.5 s.
    speed = ("| `textfooler` | about 20 words | 10 | 3 | 12.00 | 1.20 |  | 0.50 | 24.0x (target 25: missed) "
             "| 2.4x (target 3: missed) |")  # fmt: skip
    assert speed in lines
    assert "| `textfooler` | about 20 words | 8 of 10 | 1 ties; 1 not examined | 9 |" in lines
    # Of the last round's 140 s: 105 in the victim, 21 in the encoder, 14 elsewhere.
    assert "| `textfooler` | about 20 words | 70 | 75 % | 15 % | 10 % |" in lines
    grown = "11.00x the time of 20 for 10x the examples (target 10.5: missed)"
    assert f"| `a` | 200 | 22.0 | {grown} | 880 | 1,000 | 110 |" in lines
    assert "| `bench list` | 3 | 2.00 |  |" in lines


def test_the_run_before_stands_beside_start_up() -> None:
    before = run_of(bench("start", [4.0] * 3, kind="start-up", command="bench list"))
    assert "| `bench list` | 3 | 2.00 | 4.00 |" in module("table").figures(RUN, before)


def test_a_median_needs_three_rounds_but_for_the_largest_scale() -> None:
    table = module("table")
    one = bench("2000", [5.0], kind="scale", attack="a", examples=2000)
    assert table.short_of_rounds(run_of(*RUN["benchmarks"], one)) == []
    assert table.short_of_rounds(run_of(attack("stock", [1.0]), one)) == ["stock"]


def test_figures_go_between_the_markers_of_the_page() -> None:
    table = module("table")
    page = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    assert table.put(page, "new\n") == f"before\n{table.BEGIN}\n\nnew\n\n{table.END}\nafter\n"
    assert table.put(table.put(page, "new\n"), "new\n") == table.put(page, "new\n")
    with pytest.raises(ValueError, match="lacks"):
        table.put("no markers", "new")
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert text.count(table.BEGIN) == text.count(table.END) == 1


def test_every_variable_is_on_the_page_with_its_default() -> None:
    sizes = module("sizes").Sizes()
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name, default in sizes._asdict().items():
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        assert f"| `BENCH_{name.upper()}` | {shown} |".replace("|  |", "| |") in page, name
