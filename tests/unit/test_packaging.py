"""What is installed is what lies in the repository: both packages, under their import names, with their data."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUP = PROJECT["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUP["package-dir"]
JUNK = ("__pycache__", "*.pyc", "*.egg-info", ".DS_Store")


def files_of(folder: str) -> list[Path]:
    """Files of a source folder, relative to it, without what tools leave behind."""
    paths = (p.relative_to(ROOT / folder) for p in sorted((ROOT / folder).rglob("*")) if p.is_file())
    return [p for p in paths if not any(fnmatch.fnmatch(part, junk) for part in p.parts for junk in JUNK)]


def packages_on_disk() -> list[str]:
    """Import names of the folders that hold Python files."""
    names = set()
    for package, folder in FOLDERS.items():
        for path in files_of(folder):
            if path.suffix == ".py":
                names.add(".".join((package, *path.parent.parts)))
    return sorted(names)


def folder_of(package: str) -> Path:
    top, _, rest = package.partition(".")
    return ROOT.joinpath(FOLDERS[top], *rest.split(".") if rest else ())


def covered() -> set[Path]:
    """Files that the package-data patterns find, as setuptools reads them: each package's own and those of '*'."""
    data = SETUP["package-data"]
    found: set[Path] = set()
    for package in SETUP["packages"]:
        for pattern in (*data.get("*", ()), *data.get(package, ())):
            found |= {path for path in folder_of(package).glob(pattern) if path.is_file()}
    return found


def wheel_names() -> list[str]:
    """Every file the wheel must carry, by its path inside."""
    return sorted(f"{package}/{path.as_posix()}" for package, folder in FOLDERS.items() for path in files_of(folder))


def test_folders_are_mapped_to_unambiguous_names() -> None:
    assert FOLDERS == {"benchmark": "benchmark", "benchmark_plugins": "plugins"}


def test_package_list_is_what_is_on_disk() -> None:
    assert sorted(SETUP["packages"]) == packages_on_disk()


def test_packages_have_an_init() -> None:
    """Without it pytest, mypy and the editable finder disagree on a module's name."""
    assert [p for p in SETUP["packages"] if not (folder_of(p) / "__init__.py").is_file()] == []


def test_every_data_file_is_covered() -> None:
    data = {ROOT / folder / path for folder in FOLDERS.values() for path in files_of(folder) if path.suffix != ".py"}
    assert sorted(data - covered()) == []


def test_data_patterns_of_packages_name_packages() -> None:
    assert set(SETUP["package-data"]) - {"*"} <= set(SETUP["packages"])


def test_entry_points_name_packages() -> None:
    named = set(PROJECT["project"]["entry-points"]["nlp_robustness_bench"].values())
    assert named <= set(SETUP["packages"])
    assert named == {p for p in SETUP["packages"] if p.count(".") == 1 and p.startswith("benchmark_plugins.")}


def test_versions_agree() -> None:
    import benchmark

    assert PROJECT["project"]["version"] == benchmark.__version__


def test_constraints_are_plain_pins_of_what_the_project_needs() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    names = [pin.name for pin in pins]
    assert names == sorted(set(names))
    assert [str(p) for p in pins if len(p.specifier) != 1 or next(iter(p.specifier)).operator != "=="] == []
    assert [str(p) for p in pins if p.url or "+" in str(p.specifier) or p.name.startswith("nvidia-")] == []
    project = PROJECT["project"]
    wanted = [Requirement(r) for r in project["dependencies"]]
    wanted += [Requirement(r) for extra in project["optional-dependencies"].values() for r in extra]
    chosen = {pin.name: next(iter(pin.specifier)).version for pin in pins}
    for need in wanted:
        assert need.specifier.contains(chosen[canonicalize_name(need.name)]), need


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that building leaves nothing in the repository."""
    copy = tmp_path_factory.mktemp("checkout")
    for folder in FOLDERS.values():
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns(*JUNK))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def run_python(code: str, cwd: Path, python: str | Path = sys.executable) -> str:
    """Output of isolated code: neither the working directory nor PYTHONPATH is on its path."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    command = [str(python), "-I", "-c", code]
    run = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_wheel_carries_everything_and_imports(checkout: Path, tmp_path: Path) -> None:
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path, checkout)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert sorted(n for n in names if ".dist-info/" not in n) == wheel_names()
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)

    site = tmp_path / "site"
    pip("install", "--no-deps", "--no-index", "--target", site, wheel)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import importlib\n"
        f"for name in {SETUP['packages']!r}: print(importlib.import_module(name).__file__)\n"
        "from importlib.metadata import distribution\n"
        "points = distribution('nlp-robustness-bench').entry_points\n"
        "print(*sorted(p.name for p in points if p.group == 'nlp_robustness_bench'), sep=',')\n"
    )
    *files, points = run_python(code, tmp_path).splitlines()
    assert [f for f in files if not Path(f).is_relative_to(site)] == []
    assert points == ",".join(sorted(PROJECT["project"]["entry-points"]["nlp_robustness_bench"]))


@pytest.mark.slow
def test_editable_install_finds_both_packages_in_the_checkout(checkout: Path, tmp_path: Path) -> None:
    """The mapping has to survive `pip install -e`: proven in an interpreter that knows the checkout by nothing else."""
    build = f"from setuptools.build_meta import build_editable; print(build_editable({str(tmp_path)!r}))"
    name = run_python(build, checkout).splitlines()[-1]
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = Path(run_python("import sysconfig; print(sysconfig.get_paths()['purelib'])", tmp_path, python).strip())
    assert run_python("import importlib.util as u; print(u.find_spec('benchmark'))", tmp_path, python).strip() == "None"

    with zipfile.ZipFile(tmp_path / name) as wheel:
        wheel.extractall(site)
    code = (
        "import importlib, sys, sysconfig\n"
        "import benchmark, benchmark_plugins\n"
        "print(benchmark.__file__); print(benchmark_plugins.__file__)\n"
        f"sys.path.append({sysconfig_purelib()!r})\n"  # the dependencies; .pth files there are not read
        "print(importlib.import_module('benchmark_plugins.models.minilm_mlm').__file__)\n"
        "print(importlib.import_module('benchmark.suite').__file__)\n"
    )
    folders = [Path(line) for line in run_python(code, tmp_path, python).splitlines()]
    assert folders == [
        checkout / "benchmark/__init__.py",
        checkout / "plugins/__init__.py",
        checkout / "plugins/models/minilm_mlm/__init__.py",
        checkout / "benchmark/suite.py",
    ]


def sysconfig_purelib() -> str:
    import sysconfig

    return sysconfig.get_paths()["purelib"]
