"""What may go wrong between a provider and us: F1 to F24 by name, and the plan that says which goes wrong now.

A rule waits for calls of a provider, an endpoint or a subject (a transfer or order id), lets some pass and strikes
some. A mix strikes at random, always the same for the same seed whatever the threads do. Rules come before the mix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Any


class Kind(StrEnum):
    """What a call does; says which faults can meet it when a rule names no endpoint."""

    WRITE = "write"  # moves money, or asks for it: transfer, order, refund
    READ = "read"  # asks what became of one
    SETUP = "setup"  # all other calls: tokens, beneficiaries, balance
    WEBHOOK = "webhook"  # a message is about to be queued
    SETTLE = "settle"  # money is about to leave, and a line to be written on the statement


class Stage(StrEnum):
    """Where a fault takes effect."""

    BEFORE = "before"  # the provider never works on it
    AFTER = "after"  # it has worked on it; the answer suffers
    LIFE = "life"  # the course of the transfer itself


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong. `parameters` are those that a rule may give, with what they are otherwise."""

    number: str
    name: str
    stage: Stage
    kinds: frozenset[Kind]
    label: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


_WRITE, _READ = frozenset({Kind.WRITE}), frozenset({Kind.READ})
_BOTH = _WRITE | _READ
_WEBHOOK, _SETTLE = frozenset({Kind.WEBHOOK}), frozenset({Kind.SETTLE})
_B, _A, _L = Stage.BEFORE, Stage.AFTER, Stage.LIFE

FAULTS: tuple[Fault, ...] = (
    Fault("F1", "lost", _B, _WRITE, "The request is lost on the way"),
    Fault("F2", "late", _B, _WRITE, "The request arrives late, after a 404", {"seconds": 600}),
    Fault("F3", "timeout", _A, _WRITE, "Accepted, and the answer never comes"),
    Fault("F4", "accepted_5xx", _A, _WRITE, "Accepted, and answered by a server error", {"status": 502}),
    Fault("F5", "server_error", _B, _BOTH, "A server error before anything was done", {"status": 500}),
    Fault("F6", "throttled", _B, _BOTH, "429, too many requests", {"retry_after": 7}),
    Fault("F7", "unauthorised", _B, _BOTH, "401, the keys are refused"),
    Fault("F8", "address_refused", _B, _BOTH, "403, the address is not on the list"),
    Fault("F9", "duplicate", _A, _WRITE, "409, the id is said to be there already", {"accepted": True}),
    Fault("F10", "refused", _B, _WRITE, "A definite refusal", {"status": 400}),
    Fault("F11", "truncated", _A, _BOTH, "The JSON of the answer ends in the middle"),
    Fault("F12", "html", _A, _BOTH, "A page of HTML in the place of JSON", {"status": 200}),
    Fault("F13", "unknown_status", _A, _BOTH, "A status that no document knows", {"word": "ON_THE_MOON"}),
    Fault("F14", "wrong_amount", _A, _BOTH, "The answer names another amount", {"add_minor": 100}),
    Fault("F15", "wrong_id", _A, _BOTH, "The answer names another id", {"id": "SOMEBODYELSES1"}),
    Fault("F16", "drip", _A, _BOTH, "The answer drips, byte by byte"),
    Fault("F17", "stale", _A, _READ, "A status that is older than the truth"),
    Fault("F18", "hidden", _L, _WRITE, "404 for minutes after it was accepted", {"seconds": 600}),
    Fault("F19", "returned", _L, _WRITE, "Success, and returned days later", {"seconds": 259_200}),
    Fault("F20", "revived", _L, _WRITE, "Failed, and a success later on", {"seconds": 900, "code": ""}),
    Fault(
        "F21",
        "webhook",
        _L,
        _WEBHOOK,
        "Messages come twice, in the wrong order, forged, signed by an old key, or never",
        # duplicate, reordered, forged, old, lost; empty: one of them at random
        {"how": ""},
    ),
    Fault("F22", "rotated", _B, _WRITE, "The keys change in the middle of a batch", {"secret": ""}),
    Fault("F23", "ghost_line", _L, _SETTLE, "The statement has a line without a transfer"),
    Fault("F24", "missing_line", _L, _SETTLE, "A transfer without its line on the statement"),
)
BY_NAME = {fault.number.lower(): fault for fault in FAULTS} | {fault.name: fault for fault in FAULTS}
WEBHOOK_WAYS = ("duplicate", "reordered", "forged", "old", "lost")


class NoSuchFault(ValueError):
    """A fault, or a parameter of one, that there is not; the message says which."""


def named(name: str) -> Fault:
    """The fault of a number ("F3") or a name ("timeout"). Raises NoSuchFault."""
    try:
        return BY_NAME[name.strip().lower()]
    except KeyError:
        raise NoSuchFault(f"There is no fault {name!r}: F1 to F24.") from None


def several(names: str | Iterable[str]) -> tuple[str, ...]:
    """Numbers of "all", or of names with commas between them. Raises NoSuchFault."""
    parts = names.split(",") if isinstance(names, str) else list(names)
    if [part.strip().lower() for part in parts] == ["all"]:
        return tuple(fault.number for fault in FAULTS)
    return tuple(named(part).number for part in parts if part.strip())


@dataclass(frozen=True)
class Hit:
    """A fault that strikes now, with its parameters filled in."""

    fault: Fault
    parameters: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The fault's name."""
        return self.fault.name


@dataclass(frozen=True)
class Hits:
    """What strikes one call: at most one fault of the way there or back, and any number of the life after it."""

    transport: Hit | None = None
    life: tuple[Hit, ...] = ()

    def find(self, name: str) -> Hit | None:
        """The fault of the transfer's life with that name, or None."""
        return next((hit for hit in self.life if hit.name == name), None)

    @property
    def numbers(self) -> str:
        """For the journal: "F3+F18"."""
        all_ = ([self.transport] if self.transport else []) + list(self.life)
        return "+".join(hit.fault.number for hit in all_)


@dataclass
class Rule:
    """Strikes calls that fit: the first `skip` pass, the next `times` are struck (0: all that follow)."""

    fault: Fault
    provider: str = ""
    endpoint: str = ""
    subject: str = ""
    skip: int = 0
    times: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seen: int = 0
    struck: int = 0

    def fits(self, provider: str, endpoint: str, kind: Kind, subject: str) -> bool:
        """Whether a call is one that this rule counts."""
        if self.provider not in ("", provider) or self.subject not in ("", subject):
            return False
        return self.endpoint == endpoint if self.endpoint else kind in self.fault.kinds

    def strikes(self) -> bool:
        """Count a call that fits, and say whether it is struck."""
        self.seen += 1
        if self.seen <= self.skip or (self.times and self.struck >= self.times):
            return False
        self.struck += 1
        return True

    def as_dict(self) -> dict[str, Any]:
        """What the control page says of it."""
        return {
            "fault": self.fault.number, "name": self.fault.name, "provider": self.provider,
            "endpoint": self.endpoint, "subject": self.subject, "skip": self.skip, "times": self.times,
            "with": dict(self.parameters), "seen": self.seen, "struck": self.struck,
        }  # fmt: skip


@dataclass(frozen=True)
class Mix:
    """Faults at random. Each subject meets `most` of them at the most, so that everything ends some day."""

    seed: int
    rate: float
    faults: tuple[Fault, ...]
    most: int = 4


class Plan:
    """Asked at every call which faults strike it. Safe for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rules: list[Rule] = []
        self._mix: Mix | None = None
        self._calls: dict[tuple[str, ...], int] = {}
        self._met: dict[str, int] = {}

    def add(self, fault: str, **rule: Any) -> Rule:
        """A new rule: provider, endpoint, subject, skip, times, parameters. Raises NoSuchFault."""
        found = named(fault)
        parameters = {**found.parameters, **rule.pop("parameters", {})}
        if unknown := set(parameters) - set(found.parameters):
            raise NoSuchFault(f"{found.number} knows no {sorted(unknown)[0]!r}.")
        made = Rule(found, parameters=parameters, **rule)
        with self._lock:
            self._rules.append(made)
        return made

    def mix(self, *, seed: int, rate: float, faults: Iterable[str] = ("all",), most: int = 4) -> None:
        """From now on, strike at random: `rate` of the calls (0 to 1). Raises NoSuchFault."""
        chosen = tuple(named(name) for name in several(faults))
        with self._lock:
            self._mix = Mix(seed, rate, chosen, most) if chosen and rate > 0 else None
            self._calls.clear()
            self._met.clear()

    def clear(self) -> None:
        """From now on everything goes well."""
        with self._lock:
            self._rules.clear()
            self._mix = None
            self._calls.clear()
            self._met.clear()

    def rules(self) -> list[dict[str, Any]]:
        """All rules, with how often each struck."""
        with self._lock:
            return [rule.as_dict() for rule in self._rules]

    @property
    def is_quiet(self) -> bool:
        """Whether nothing can strike at all."""
        return not self._rules and self._mix is None

    def ask(self, provider: str, endpoint: str, kind: Kind, subject: str) -> Hits:
        """What strikes this call."""
        if self.is_quiet:
            return _NOTHING
        with self._lock:
            struck = [
                Hit(rule.fault, rule.parameters)
                for rule in self._rules
                if rule.fits(provider, endpoint, kind, subject) and rule.strikes()
            ]
            if not struck:
                struck = self._at_random(provider, endpoint, kind, subject)
        transport = next((hit for hit in struck if hit.fault.stage is not Stage.LIFE), None)
        return Hits(transport, tuple(hit for hit in struck if hit.fault.stage is Stage.LIFE))

    def _at_random(self, provider: str, endpoint: str, kind: Kind, subject: str) -> list[Hit]:
        mix = self._mix
        if mix is None:
            return []
        fitting = [fault for fault in mix.faults if kind in fault.kinds]
        key = (provider, endpoint, kind, subject)
        number = self._calls[key] = self._calls.get(key, 0) + 1
        if not fitting or self._met.get(subject, 0) >= mix.most:
            return []
        dice = hashlib.sha256(repr((mix.seed, *key, number)).encode()).digest()
        if int.from_bytes(dice[:6]) >= mix.rate * 2**48:
            return []
        self._met[subject] = self._met.get(subject, 0) + 1
        # One fault of the way and, now and then, one of the life after it.
        chosen = fitting[int.from_bytes(dice[6:10]) % len(fitting)]
        hits = [_filled(chosen, dice[10])]
        lives = [fault for fault in fitting if fault.stage is Stage.LIFE]
        if chosen.stage is not Stage.LIFE and lives and dice[11] < 64:
            hits.append(_filled(lives[dice[12] % len(lives)], dice[13]))
        return hits


_NOTHING = Hits()


def _filled(fault: Fault, die: int) -> Hit:
    parameters = dict(fault.parameters)
    if "how" in parameters:
        parameters["how"] = WEBHOOK_WAYS[die % len(WEBHOOK_WAYS)]
    return Hit(fault, parameters)
