"""The collector of cycles is as it was before, whatever happens in between."""

from __future__ import annotations

import gc

import pytest

from benchmark.leaderboard.collector import paused_collector, set_aside


def test_a_pause_ends_also_with_an_error() -> None:
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), paused_collector():
        _ = 1 / int(gc.isenabled())
    assert gc.isenabled()


def test_who_switched_it_off_keeps_it_off() -> None:
    gc.disable()
    try:
        with paused_collector():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_is_set_aside_comes_back_unless_somebody_else_put_it_there() -> None:
    assert gc.get_freeze_count() == 0
    with set_aside():
        assert gc.get_freeze_count() > 0
        with set_aside():
            pass
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
