"""The first ``import textattack``, made safe: no network, no cache folder in the home, no changed environment.

What the library does on import, and what is done about it here:

* it downloads six nltk packages unless a marker file lies in its cache folder -> the import sees an empty private
  folder that holds the marker and is removed afterwards;
* with ``TA_CACHE_DIR`` set it redirects the caches of Hugging Face and others -> libraries that read those variables
  are imported before, and the environment is put back afterwards;
* it reads nltk's ``stopwords`` corpus to build a default augmenter that nobody here uses -> the import is given the
  project's own list instead, and nltk gets its corpus reader back;
* it disables every logger made so far -> they are enabled again; its own messages are limited to errors.

``HF_HUB_OFFLINE`` is left alone on purpose: Hugging Face libraries read it once, on import, so setting it here would
take the hub away from the rest of the process. The attacks hand over models as objects and ask no hub.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark_plugins.attacks.environment import kept_environment
from benchmark_plugins.attacks.stopwords import stop_words

MARKER = "post_install_check_3"
LIBRARY_LOGGER = "textattack.shared.utils.install"
_LOCK = threading.Lock()


def import_textattack() -> None:
    """Import textattack once per process (about 10 s); cheap afterwards. Call it before any ``from textattack ...``."""
    with _LOCK:
        if "textattack" in sys.modules:
            return
        for name in ("huggingface_hub", "transformers", "datasets", "flair"):
            importlib.import_module(name)
        with kept_environment(), _kept_loggers(), _own_stop_list(), tempfile.TemporaryDirectory() as folder:
            Path(folder, MARKER).touch()
            os.environ["TA_CACHE_DIR"] = folder
            importlib.import_module("textattack")
        logging.getLogger(LIBRARY_LOGGER).setLevel(logging.ERROR)


@contextmanager
def _kept_loggers() -> Iterator[None]:
    loggers = [x for x in logging.root.manager.loggerDict.values() if isinstance(x, logging.Logger) and not x.disabled]
    try:
        yield
    finally:
        for logger in loggers:
            logger.disabled = False


class _StopList:
    """Stands in for nltk's corpus reader during the import."""

    def words(self, _language: str = "english") -> list[str]:
        return list(stop_words())


@contextmanager
def _own_stop_list() -> Iterator[None]:
    import nltk.corpus

    corpora: Any = nltk.corpus
    before = corpora.stopwords
    corpora.stopwords = _StopList()
    try:
        yield
    finally:
        corpora.stopwords = before
