"""The first ``import OpenAttack``, made safe: no network, no folder of data, no changed environment or modules.

What the library does on import, and what is done about it here:

* it loads its 33 data modules under bare names (``test``, ``glove``, ``gan`` ...), which would stand in for modules of
  the same name in this process -> they leave ``sys.modules`` again; the library keeps the functions it took from them;
* it fixes its data folder to ``data`` in the working directory and would unpickle what lies there -> its paths are
  moved to where no file can be, and downloads are switched off;
* libraries it imports set variables of the environment -> the environment is put back.

It needs ``pkgutil``'s old finders, which Python 3.12 removed.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from benchmark_plugins.attacks.environment import kept_environment

NAME = "OpenAttack"
VERSION = "2.1.1"
_LOCK = threading.Lock()


def missing(_options: Any = None) -> str | None:
    """Why OpenAttack's attacks cannot run on this machine, or None. Imports nothing."""
    if NAME not in sys.modules and find_spec(NAME) is None:
        return f"{NAME} is not installed; `pip install {NAME}=={VERSION}`"
    if sys.version_info >= (3, 12):
        return f"{NAME} {VERSION} cannot be imported by Python 3.12 or later"
    return None


def import_openattack() -> Any:
    """Import OpenAttack once per process and return it. Call it before any ``from OpenAttack ...``."""
    with _LOCK:
        if NAME not in sys.modules:
            with kept_environment(), _kept_modules(), warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                library: Any = importlib.import_module(NAME)
            library.DataManager.setAutoDownload(False)
            library.DataManager.set_path(os.path.join(os.devnull, NAME))
        return sys.modules[NAME]


@contextmanager
def _kept_modules() -> Iterator[None]:
    """Takes the library's data modules out of the top level of ``sys.modules``."""
    before = dict(sys.modules)
    try:
        yield
    finally:
        folder = os.path.join(NAME, "data") + os.sep
        for name, module in list(sys.modules.items()):
            if "." in name or folder not in (getattr(module, "__file__", None) or ""):
                continue
            del sys.modules[name]
            if name in before:
                sys.modules[name] = before[name]
