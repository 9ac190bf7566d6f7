"""The published schema is up to date, is a schema, and tells sound pages from others."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from test_leaderboard_page import SUITE, fill
from typer.testing import CliRunner

from benchmark.cli.leaderboard import app
from benchmark.leaderboard.publish import publish
from benchmark.leaderboard.schema import schema_bytes
from benchmark.store import Store

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs/schema/leaderboard-v2.json"


def test_the_published_file_is_what_the_models_give(tmp_path: Path) -> None:
    assert FILE.read_bytes() == schema_bytes(), f"run: bench leaderboard schema --out {FILE.relative_to(ROOT)}"
    printed = CliRunner().invoke(app, ["schema"])
    assert printed.stdout.encode() == schema_bytes()
    assert CliRunner().invoke(app, ["schema", "--out", str(tmp_path / "s.json")]).exit_code == 0
    assert (tmp_path / "s.json").read_bytes() == schema_bytes()


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(FILE.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("page")
    store = Store(folder / "store")
    fill(store)
    publish(SUITE, store, folder)
    found: dict[str, Any] = json.loads((folder / "toy/v1/leaderboard.json").read_bytes())
    return found


def test_pages_are_valid(validator: jsonschema.Draft202012Validator, page: dict[str, Any]) -> None:
    validator.validate(page)
    committed = sorted((ROOT / "leaderboards").rglob("leaderboard.json"))
    assert committed
    first = jsonschema.Draft202012Validator(json.loads((ROOT / "docs/schema/leaderboard-v1.json").read_bytes()))
    for path in committed:
        found = json.loads(path.read_bytes())
        {1: first, 2: validator}[found["schema_version"]].validate(found)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("schema_version",), 1),
        (("pairs", 0, "p_exact"), 1.5),
        (("entries", 0, "seeds"), "0"),
        (("rows", 0, "clean_accuracy", "value"), 1.5),
        (("rows", 0, "rank"), 0),
        (("rows", 0, "attacks", "swap", "counts", "held"), -1),
        (("rows", 0, "surprise"), 1),
        (("contract", "perturbed_words"), 0),
        (("samples", "reviews", "sha256"), "x"),
    ],
)
def test_other_files_are_not(
    validator: jsonschema.Draft202012Validator, page: dict[str, Any], where: tuple[Any, ...], value: object
) -> None:
    damaged = copy.deepcopy(page)
    place: Any = damaged
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    assert not validator.is_valid(damaged)
