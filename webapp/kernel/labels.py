"""Enumerations whose members carry their words: value, label, tone, icon, sentence."""

from __future__ import annotations

from enum import StrEnum


class Label(StrEnum):
    """A string enumeration; members are written `NAME = value, label[, tone[, icon[, sentence]]]`.

    `tone` is one of waiting, todo, ok, progress, done, failed, returned, rejected, cancelled.
    """

    label: str
    tone: str
    icon: str
    sentence: str

    def __new__(
        cls,
        value: str,
        label: str = "",
        tone: str = "",
        icon: str = "",
        sentence: str = "",
    ) -> Label:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label or value.replace("_", " ").capitalize()
        member.tone = tone
        member.icon = icon or tone
        member.sentence = sentence
        return member

    # Equal to its value, so it hashes like it; an enumeration's own way is a function in Python for every look-up.
    __hash__ = str.__hash__

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """(value, label) pairs for a select field."""
        return [(member.value, member.label) for member in cls]
