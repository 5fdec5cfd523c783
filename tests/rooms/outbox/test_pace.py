"""How many messages a worker takes at once: as many as are done within seconds."""

from __future__ import annotations

from jobs import registry
from jobs.base import _Pace

KIND = "transfer.send"


def test_full_batches_that_are_soon_done_grow_up_to_the_limit() -> None:
    pace = _Pace()
    sizes = []
    for _ in range(6):
        sizes.append(pace.sizes[KIND])
        pace.took(KIND, pace.sizes[KIND], 0.1)
    assert sizes == [10, 20, 40, 80, 100, 100]
    assert registry.BATCHES[KIND] == 100


def test_a_batch_that_took_too_long_makes_the_next_one_smaller_though_it_was_not_full() -> None:
    pace = _Pace()
    pace.took(KIND, 4, 0.1)
    assert pace.sizes[KIND] == 10
    pace.took(KIND, 4, 6.0)
    assert pace.sizes[KIND] == 2
    pace.took(KIND, 1, 100.0)
    assert pace.sizes[KIND] == 1
    pace.took(KIND, 1, 0.1)
    assert pace.sizes[KIND] == 2
