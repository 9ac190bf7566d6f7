"""What a library changes when it is imported, put back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_environment() -> Iterator[None]:
    """The variables of the environment as they were, afterwards."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in sorted(set(os.environ) - set(before)):
            del os.environ[name]
        os.environ.update(before)
