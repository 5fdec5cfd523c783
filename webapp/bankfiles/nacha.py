"""NACHA files: ACH credits in the United States, in lines of 94 signs. Pure.

One batch of credits (service class 220), PPD to people or CCD to companies; blocks of ten lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from stdnum.us import rtn

from webapp.bankfiles import letters
from webapp.bankfiles.writing import (
    Entry,
    Line,
    Making,
    Setup,
    Unwritable,
    Writer,
    Written,
    changed,
    total_of,
)
from webapp.people.accounts import Scheme

WIDTH, BLOCK = 94, 10
END = "\r\n"
CREDITS_ONLY = "220"
# Receiver's account: the code of a credit to it.
ACCOUNT_KINDS = {"22": "Checking accounts", "32": "Savings accounts"}
CLASSES = {"PPD": "PPD: to people", "CCD": "CCD: to companies"}
MODIFIERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_NAME = 22
_LARGEST, _LARGEST_TOTAL = 10**10, 10**12


def why_not(setup: Setup, entry: Entry) -> str:
    """Why an entry cannot go into this file; empty when it can."""
    if entry.kind != "bank_account" or entry.scheme != Scheme.ABA:
        return "An ACH file pays to accounts in the United States only."
    if entry.currency != "USD":
        return f"An ACH file is in USD, the payout in {entry.currency}."
    if len(entry.details.get("account_number", "")) > 17:
        return "An ACH file carries account numbers of up to 17 signs."
    if not rtn.is_valid(entry.details.get("routing_number", "")):
        return "The check digit of the routing number is wrong."
    if entry.amount_minor >= _LARGEST:
        return "The amount is larger than an ACH entry can carry (99,999,999.99)."
    if not letters.clean(entry.name, letters.NACHA, _NAME).text:
        return "The name at the bank has no letter that the bank takes. Enter it in Latin letters."
    return ""


def trace_of(setup: Setup, entry: Entry) -> str:
    """The trace number of an entry: the bank's eight digits and seven of ours; returns name the payment by it."""
    return f"{setup.get('odfi_routing')[:8]}{entry.transfer_row_id % 10**7:07d}"


def write(setup: Setup, entries: Sequence[Entry], making: Making) -> Written:
    """The file. Raises Unwritable for what the format cannot hold, and when a line came out wrong."""
    if making.day_number > len(MODIFIERS):
        raise Unwritable(f"A bank takes {len(MODIFIERS)} ACH files a day; make the next one tomorrow.")
    # Trace numbers rise within a batch.
    ordered = sorted(entries, key=lambda entry: trace_of(setup, entry))
    if len({trace_of(setup, entry) for entry in ordered}) != len(ordered):
        raise Unwritable("Two payments would have the same trace number. Put fewer into one file.")
    total = total_of(ordered, "USD").amount
    if total >= _LARGEST_TOTAL:
        raise Unwritable("The total is larger than an ACH file can carry. Put fewer into one file.")
    written = [_entry(setup, entry) for entry in ordered]
    entry_hash = sum(int(entry.details["routing_number"][:8]) for entry in ordered) % 10**10
    lines = [
        _file_header(setup, making),
        _batch_header(setup, making),
        *(text for text, _ in written),
        _batch_control(setup, len(ordered), entry_hash, total),
        "",
    ]
    blocks = -(-len(lines) // BLOCK)
    lines[-1] = _file_control(blocks, len(ordered), entry_hash, total)
    lines += ["9" * WIDTH] * (blocks * BLOCK - len(lines))
    if bad := [n for n, line in enumerate(lines, 1) if len(line) != WIDTH or not line.isascii()]:
        raise Unwritable(f"Line {bad[0]} has not {WIDTH} signs.")
    controls = {
        "Entry hash": f"{entry_hash:010d}",
        "Batches": "1",
        "Blocks": str(blocks),
        "Total debit": "0.00",
        "File modifier": MODIFIERS[making.day_number - 1],
    }
    data = (END.join(lines) + END).encode("ascii")
    variant = f"NACHA {setup.get('entry_class')}"
    return Written(data, variant, "ach", tuple(line for _, line in written), controls)


def _left(text: str, width: int) -> str:
    return letters.clean(text, letters.NACHA, width).text.ljust(width)


def _day(value: date) -> str:
    return value.strftime("%y%m%d")


def _file_header(setup: Setup, making: Making) -> str:
    return "".join(
        (
            "101",
            f" {setup.get('destination_routing')}",
            setup.get("immediate_origin").rjust(10),
            _day(making.made_at.date()),
            making.made_at.strftime("%H%M"),
            MODIFIERS[making.day_number - 1],
            "094101",
            _left(setup.get("destination_name"), 23),
            _left(setup.get("company_name"), 23),
            " " * 8,
        )
    )


def _batch_header(setup: Setup, making: Making) -> str:
    return "".join(
        (
            "5",
            CREDITS_ONLY,
            _left(setup.get("company_name"), 16),
            " " * 20,
            setup.get("company_id").rjust(10),
            setup.get("entry_class"),
            _left(setup.get("description"), 10),
            _day(making.made_at.date()),
            _day(making.execute_on),
            "   1",
            setup.get("odfi_routing")[:8],
            "0000001",
        )
    )


def _entry(setup: Setup, entry: Entry) -> tuple[str, Line]:
    name = letters.clean(entry.name, letters.NACHA, _NAME)
    trace = trace_of(setup, entry)
    text = "".join(
        (
            "6",
            setup.get("account_kind"),
            entry.details["routing_number"],
            entry.details["account_number"].ljust(17),
            f"{entry.amount_minor:010d}",
            letters.clean(entry.reference, letters.NACHA, 15).text.ljust(15),
            name.text.ljust(_NAME),
            "  0",
            trace,
        )
    )
    return text, Line(entry, trace, name.text, changed("name", name.was, name.text, name.is_changed))


def _batch_control(setup: Setup, count: int, entry_hash: int, total: int) -> str:
    return "".join(
        (
            "8",
            CREDITS_ONLY,
            f"{count:06d}{entry_hash:010d}{0:012d}{total:012d}",
            setup.get("company_id").rjust(10),
            " " * 25,
            setup.get("odfi_routing")[:8],
            "0000001",
        )
    )


def _file_control(blocks: int, count: int, entry_hash: int, total: int) -> str:
    return f"9{1:06d}{blocks:06d}{count:08d}{entry_hash:010d}{0:012d}{total:012d}{' ' * 39}"


WRITER = Writer(why_not, write)
