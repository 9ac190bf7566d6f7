"""The documentation keeps its promises: links lead somewhere, quoted commands exist, the README's example works."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from benchmark.registry import load_registry
from benchmark_plugins.attacks.openattack_env import missing

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(bench(?: [^`\n]+)?)`")
PLACEHOLDER = re.compile(r"^(?:\.\.\.|[A-Z]+)$")


class Quote(NamedTuple):
    """A command as quoted on a page."""

    page: str
    words: tuple[str, ...]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(text: str) -> str:
    """A page without its code blocks and inline code, where brackets mean other things."""
    return re.sub(r"`[^`\n]*`", "`code`", FENCE.sub("", text))


def anchors_of(text: str) -> set[str]:
    """Heading anchors as mkdocs makes them."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", h).strip().lower()) for h in headings}


def commands_of(text: str) -> Iterator[str]:
    """`bench ...` in inline code and in shell blocks; a line of several commands is taken apart at `&&`."""
    yield from INLINE.findall(FENCE.sub("", text))
    for language, block in FENCE.findall(text):
        if language == "sh":
            for line in block.splitlines():
                yield from (part.strip() for part in line.split("&&") if part.split()[:1] == ["bench"])


def quotes() -> list[Quote]:
    return [
        Quote(str(page.relative_to(ROOT)), tuple(shlex.split(command, comments=True)))
        for page in PAGES
        for command in commands_of(text_of(page))
    ]


def fault(app: Any, words: tuple[str, ...]) -> str | None:
    """Why the command line would refuse these words, or None: unknown command, unknown option, missing value."""
    command, rest = app, list(words[1:])
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return f"no command '{rest[0]}'"
        command = command.commands[rest.pop(0)]
    options = {name: p for p in command.params if p.param_type_name == "option" for name in p.opts}
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    free = 0
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help", "--traceback"):
            continue
        if word.startswith("-"):
            name, equals, _ = word.partition("=")
            if name not in options:
                return f"no option '{name}'"
            if not options[name].is_flag and not equals:
                if not rest:
                    return f"option '{name}' without a value"
                rest.pop(0)
        elif not PLACEHOLDER.match(word):
            free += 1
    return None if free <= len(arguments) else f"{free} arguments, takes {len(arguments)}"


@pytest.fixture(scope="module")
def app() -> Any:
    import typer

    from benchmark.cli.main import make_app

    return typer.main.get_command(make_app())


def test_pages_were_found() -> None:
    assert len(PAGES) > 10
    assert len(quotes()) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose_of(text_of(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        outside_site = page.is_relative_to(ROOT / "docs") and not place.is_relative_to(ROOT / "docs")
        missing = not place.exists()
        if missing or outside_site or (anchor and anchor not in anchors_of(text_of(place))):
            broken.append(target)
    assert broken == []


def test_every_page_is_in_the_navigation() -> None:
    yaml = pytest.importorskip("yaml")
    # A tag of a theme (!!python/name) is no concern of this test.
    nav = yaml.safe_load(text_of(ROOT / "mkdocs.yml"))["nav"]

    def leaves(node: Any) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        else:
            for child in node.values() if isinstance(node, dict) else node:
                yield from leaves(child)

    assert sorted(leaves(nav)) == sorted(str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md"))


def test_quoted_commands_exist(app: Any) -> None:
    faults = {f"{q.page}: {' '.join(q.words)}": why for q in quotes() if (why := fault(app, q.words))}
    assert faults == {}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("bench fly", "no command 'fly'"),
        ("bench run --al", "no option '--al'"),
        ("bench run --suite", "option '--suite' without a value"),
        ("bench leaderboard paint", "no command 'paint'"),
        ("bench leaderboard diff a b c", "3 arguments, takes 2"),
        ("bench leaderboard diff a b", None),
        ("bench run -d mvp --all", None),
        ("bench", None),
    ],
)
def test_the_command_check_can_fail(app: Any, words: str, why: str | None) -> None:
    assert fault(app, tuple(words.split())) == why


def test_suite_page_names_every_field_and_default() -> None:
    from pydantic_core import PydanticUndefined

    from benchmark.suite import Contract, Inference, Part, Similarity, Suite, SuiteDataset, Training

    rows = dict(re.findall(r"^\| `(\w+)`[^|]*\|([^\n]*)$", text_of(ROOT / "docs/suites.md"), re.MULTILINE))
    kinds: list[type[Part]] = [Suite, Contract, Similarity, Training, Inference, SuiteDataset]
    for kind in kinds:
        for name, field in kind.model_fields.items():
            assert name in rows, f"{kind.__name__}.{name} is not on the page"
            if kind in (Training, Inference) and field.default is not PydanticUndefined:
                shown = rows[name].split("|")[1].strip()
                default = field.default
                if isinstance(default, bool):
                    assert shown == str(default).lower(), name
                elif isinstance(default, str):
                    assert shown == f"`{default}`", name
                else:
                    assert float(shown) == float(default), name
    assert "| `encoder` | name | required |" in text_of(ROOT / "docs/suites.md")


def test_suite_example_is_a_suite(tmp_path: Path) -> None:
    from benchmark.suite import load_suite

    example = next(block for language, block in FENCE.findall(text_of(ROOT / "docs/suites.md")) if language == "toml")
    (tmp_path / "my-suite.toml").write_text(example, encoding="utf-8")
    assert load_suite(tmp_path / "my-suite.toml").datasets["reviews"].sample_size == 100


@pytest.fixture
def plugin(tmp_path: Path) -> ModuleType:
    """The README's example, imported as a user's module would be."""
    code = next(block for language, block in FENCE.findall(text_of(ROOT / "README.md")) if language == "python")
    (tmp_path / "readme_plugin.py").write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("readme_plugin", tmp_path / "readme_plugin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readme_example_registers_an_objective(plugin: ModuleType) -> None:
    import pluggy

    from benchmark.api import Objective
    from benchmark.hookspecs import PROJECT, HookSpecs

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HookSpecs)
    manager.register(plugin)
    manager.check_pending()
    items: list[Any] = []
    manager.hook.register_defenses(register=items.append)
    assert [type(item) for item in items] == [Objective]
    assert items[0].name == "smoothing"
    assert not items[0].is_default
    assert all(field.description for field in items[0].options.model_fields.values())


def test_readme_example_computes_label_smoothing_over_pooled_rows(plugin: ModuleType) -> None:
    """Two texts, the first with two rows. The loss is compared with one written out in plain arithmetic."""
    import math

    import torch

    from benchmark.api import Row, TrainingBatch, pad_rows

    scores = torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 3.0]], requires_grad=True)
    batch = TrainingBatch(pad_rows([Row([1])] * 3, 0), torch.tensor([0, 0, 1]), torch.tensor([0, 1]))
    loss = plugin.backward(lambda rows: scores, batch, plugin.Smoothing(share=0.2), torch.Generator())

    def one(right: float, wrong: float) -> float:
        total = math.log(math.exp(right) + math.exp(wrong))
        return -(0.9 * (right - total) + 0.1 * (wrong - total))

    assert loss == pytest.approx((one(1.0, 0.0) + one(3.0, 0.0)) / 2, abs=1e-6)
    assert scores.grad is not None
    assert torch.count_nonzero(scores.grad) == 6


def test_readme_entry_point_names_the_group() -> None:
    from benchmark.hookspecs import PROJECT

    block = next(block for language, block in FENCE.findall(text_of(ROOT / "README.md")) if language == "toml")
    assert tomllib.loads(block) == {"project": {"entry-points": {PROJECT: {"smoothing": "smoothing"}}}}


def test_readme_example_is_as_short_as_it_says() -> None:
    code = next(block for language, block in FENCE.findall(text_of(ROOT / "README.md")) if language == "python")
    assert len([line for line in code.splitlines() if line.strip() and not line.startswith('"""')]) <= 20


def test_the_table_of_attacks_is_the_registrys() -> None:
    """Each built-in attack has a row with its state, family, access, display name and card; and no other has."""
    rows = {}
    for line in (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 6 and cells[0].strip().startswith("[`"):
            rows[cells[0].strip()[2:].partition("`")[0]] = cells[1:]
    expected = {}
    for entry in load_registry().items("attack"):
        item = entry.item
        if item.card == missing():
            pytest.skip("without OpenAttack its attacks have another state")
        state = f"{item.state}, diagnostic" if item.diagnostic else str(item.state)
        expected[item.name] = [state, str(item.family), str(item.access), f"`{item.display}`", item.card]
    assert rows == expected
