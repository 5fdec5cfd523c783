"""The rails by name; the only file that knows the adapters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from webapp.providers.cashfree.rail import Cashfree
from webapp.providers.phonepe.collector import PhonePe
from webapp.providers.ports import Collector, Rail
from webapp.providers.sandbox import SandboxBank

_rails: dict[str, Rail] = {"sandbox": SandboxBank(), "cashfree": Cashfree()}
_collectors: dict[str, Collector] = {"phonepe": PhonePe()}
# Rails whose transfers leave together in a file that people hand over; no worker sends them one by one.
_in_files: set[str] = set()


def register_file_rail(other: Rail) -> None:
    """Add a rail whose transfers wait for a file; once, at start-up, by the room that makes the files."""
    _rails[other.name] = other
    _in_files.add(other.name)


def file_rails() -> frozenset[str]:
    """Names of the rails whose transfers wait for a file."""
    return frozenset(_in_files)


def leaves_in_files(name: str) -> bool:
    """Whether a rail's transfers wait for a file instead of a worker."""
    return name in _in_files


def at_once(name: str) -> int:
    """How many calls of a rail its client can carry at once; 1 where it does not say."""
    return int(getattr(_rails[name], "at_once", 1))


def expect(name: str, organisation_id: int, beneficiary_keys: Collection[str]) -> None:
    """Let an adapter that wants to read beforehand what calls about these payment details will need."""
    prepare: Callable[[int, Collection[str]], None] | None = getattr(_rails[name], "expect", None)
    if prepare is not None:
        prepare(organisation_id, beneficiary_keys)


def rail(name: str) -> Rail:
    """The rail of a name. Raises KeyError for one that does not send by itself, such as "manual"."""
    return _rails[name]


def collector(name: str) -> Collector:
    """The collector of a name. Raises KeyError for one that there is not."""
    return _collectors[name]


@contextmanager
def using(name: str, other: Rail) -> Iterator[None]:
    """Put another rail in the place of a name for the length of a block, as tests do."""
    before = _rails.get(name)
    _rails[name] = other
    try:
        yield
    finally:
        if before is None:
            del _rails[name]
        else:
            _rails[name] = before


@contextmanager
def collecting_with(name: str, other: Collector) -> Iterator[None]:
    """Put another collector in the place of a name for the length of a block, as tests do."""
    before = _collectors[name]
    _collectors[name] = other
    try:
        yield
    finally:
        _collectors[name] = before
