"""The user's own package index: environment, then pip's configuration, then the default of ``pypi-simple``.

Only http(s) indexes are used; ``file:`` indexes and ``find-links`` folders of pip are passed over. Credentials in
an address are sent to the index but never shown.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

DEFAULT_TIMEOUT = 15.0
"""Seconds without an answer before an index counts as unreachable (pip's own default)."""

FIRST = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
EXTRA = ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
SECTIONS = ("install", "download", "global")


@dataclass(frozen=True)
class IndexSettings:
    """What to ask, in order. ``certificates`` is a CA bundle (None: the defaults of requests)."""

    urls: tuple[str, ...]
    certificates: str | None = None
    proxy: str | None = None
    timeout: float = DEFAULT_TIMEOUT
    forbidden: bool = False
    """pip is told to use no index (``PIP_NO_INDEX`` or ``no-index``)."""


def find_index(
    environ: Mapping[str, str] | None = None, pip_config: Callable[[], Mapping[str, str]] | None = None
) -> IndexSettings:
    """The settings of this machine. Arguments replace ``os.environ`` and pip's configuration in tests."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    env = os.environ if environ is None else environ
    config = (pip_config or read_pip_config)()

    def setting(variable: str, key: str) -> str:
        found = (config[f"{section}.{key}"] for section in SECTIONS if config.get(f"{section}.{key}"))
        return env.get(variable, "").strip() or next(found, "")

    first = next((env[name] for name in FIRST if env.get(name, "").strip()), "") or setting("", "index-url")
    extra = [env[name] for name in EXTRA if env.get(name, "").strip()] or [setting("", "extra-index-url")]
    # uv allows NAME=URL; what stands before the first "=" of such a word holds no colon.
    words = [_without_name(word) for text in (first or PYPI_SIMPLE_ENDPOINT, *extra) for word in text.split()]
    urls = tuple(dict.fromkeys(word for word in words if urlsplit(word).scheme in ("http", "https")))
    return IndexSettings(
        urls=urls,
        certificates=setting("PIP_CERT", "cert") or None,
        proxy=setting("PIP_PROXY", "proxy") or None,
        timeout=_number(setting("PIP_DEFAULT_TIMEOUT", "timeout") or config.get("global.default-timeout", "")),
        forbidden=setting("PIP_NO_INDEX", "no-index").lower() in ("1", "true", "yes", "on", "y", "t"),
    )


def read_pip_config() -> dict[str, str]:
    """pip's merged configuration files as ``section.key`` to value; empty where pip is missing or fails."""
    commands = [[sys.executable, "-m", "pip"]] + [[found] for found in (shutil.which("pip"),) if found]
    for command in commands:
        try:
            done = subprocess.run(
                [*command, "--disable-pip-version-check", "config", "list"],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if done.returncode == 0:
            return parse_pip_config(done.stdout)
    return {}


def parse_pip_config(text: str) -> dict[str, str]:
    """Lines ``section.key='value'``; lines of the environment (``:env:``) are left to the caller."""
    found = {}
    for line in text.splitlines():
        key, equals, quoted = line.partition("=")
        if not equals or key.startswith(":env:"):
            continue
        try:
            found[key.strip()] = str(ast.literal_eval(quoted.strip()))
        except (ValueError, SyntaxError):
            continue
    return found


def shown(url: str) -> str:
    """An address without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _without_name(word: str) -> str:
    name, equals, url = word.partition("=")
    return url if equals and ":" not in name else word


def _number(text: str) -> float:
    try:
        return max(1.0, float(text))
    except ValueError:
        return DEFAULT_TIMEOUT
