"""Other sources, settling by two people, the night's questions, and balances that tie once all is settled."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.rooms.reconciliation.world import DAY, NOW, Entry, World, camt, world
from webapp.bankfiles.models import BankFile, BankFileItem
from webapp.database import db, transaction
from webapp.inbox.models import MessageState, WebhookMessage
from webapp.kernel.errors import Conflict, Invalid, NotFound, StaleVersion
from webapp.kernel.ids import new_uid
from webapp.ledger import check as ledger_check
from webapp.ledger.models import JournalEntry
from webapp.outbox.models import OutboxMessage
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.providers import registry
from webapp.providers.models import ProviderAccount
from webapp.providers.ports import Answer, Outcome
from webapp.reconciliation import nightly, resolving
from webapp.reconciliation.models import Finding


@pytest.fixture
def place(database: Flask) -> World:
    """An organisation."""
    return world()


def provider_list(*rows: tuple[str, str, str, str]) -> bytes:
    """A report as Cashfree gives it: our id, amount, status, UTR."""
    head = "Transfer Id,Amount,Status,UTR,Added On,Transfer Mode,Currency\n"
    return (head + "".join(f"{i},{a},{s},{u},2026-11-20,banktransfer,USD\n" for i, a, s, u in rows)).encode()


def test_a_provider_s_list_finds_every_kind(place: World) -> None:
    agrees, amount, state, missing = (place.paid(n) for n in (1_000, 2_000, 3_000, 4_000))
    with transaction():
        for transfer in (agrees, amount, state, missing):
            db.session.get_one(Transfer, transfer.id).rail = "cashfree"
    ids = [t.transfer_id for t in (agrees, amount, state)]
    place.compare(
        provider_list(
            (ids[0], "10.00", "SUCCESS", ""),
            (ids[1], "20.50", "SUCCESS", ""),
            (ids[2], "30.00", "REVERSED", ""),
            ("PDUNKNOWN", "1.00", "SUCCESS", "U1"),
        )
    )
    found = {f.kind: f.transfer_id for f in place.findings()}
    assert found == {
        "amount_differs": amount.id, "state_differs": state.id, "ours_only": missing.id, "theirs_only": None
    }  # fmt: skip
    words = place.findings("state_differs")[0]
    assert (words.ours_words, words.theirs_words) == ("succeeded", "REVERSED")
    place.answer(state, Outcome.REVERSED)
    with transaction():
        assert resolving.look_again(organisation_id=place.organisation.id, actor=place.actor, now=NOW) == 1


def test_a_webhook_that_names_nothing_of_ours_is_a_finding_until_it_is_applied(place: World) -> None:
    with transaction():
        account = ProviderAccount(
            organisation_id=place.organisation.id, uid=new_uid(), provider="cashfree", environment="sandbox",
            created_at=NOW, changed_at=NOW, credentials_encrypted="",
        )  # fmt: skip
        db.session.add(account)
        db.session.flush()
        message = WebhookMessage(
            uid=new_uid(), organisation_id=place.organisation.id, account_id=account.id, provider="cashfree",
            body_sha256="a" * 64, body_encrypted="", event="TRANSFER_SUCCESS", subject="PDNOBODY",
            state=MessageState.UNMATCHED.value, received_at=NOW, last_received_at=NOW,
        )  # fmt: skip
        db.session.add(message)
    assert nightly.recheck(place.organisation.id, NOW, NOW) == 0
    (finding,) = place.findings()
    assert (finding.kind, finding.source, "PDNOBODY" in finding.label) == ("theirs_only", "webhook", True)
    with transaction():
        db.session.get_one(WebhookMessage, message.id).state = MessageState.APPLIED.value
    assert nightly.recheck(place.organisation.id, NOW, NOW) == 1
    assert place.findings() == []


class Bank:
    """A rail that answers what it is told."""

    name, needs_details = "sandbox", False

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers

    def send(self, order: object) -> Answer:
        """Nothing is sent here."""
        raise AssertionError("a comparison sends nothing")

    def status(self, organisation_id: int, transfer_id: str) -> Answer:
        """What the test says."""
        return self.answers.get(transfer_id, Answer(Outcome.UNKNOWN))

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """Not said."""
        return None


def test_the_night_asks_and_changes_nothing(place: World) -> None:
    agrees, reversed_there, lost, silent = (
        place.paid(1_000),
        place.paid(2_000),
        place.paid(3_000),
        place.paid(4_000),
    )
    answers = {
        agrees.transfer_id: Answer(Outcome.SUCCEEDED, amount_minor=1_000, currency="USD"),
        reversed_there.transfer_id: Answer(Outcome.REVERSED),
        lost.transfer_id: Answer(Outcome.NOT_FOUND),
    }
    with registry.using("sandbox", Bank(answers)):
        run = nightly.ask_all(place.organisation.id, clock=lambda: NOW)
        assert run is not None
        assert (run.counts["asked"], run.counts["no_answer"], run.counts["differing"]) == (3, 1, 2)
        assert {f.kind: f.transfer_id for f in place.findings()} == {
            "state_differs": reversed_there.id, "ours_only": lost.id
        }  # fmt: skip
        assert db.session.get_one(Transfer, reversed_there.id).state == "succeeded"
        again = nightly.ask_all(place.organisation.id, clock=lambda: NOW)
        assert again is not None
        assert len(place.findings()) == 2
    assert silent.state == "succeeded"


def test_the_night_asks_no_more_than_its_limit(place: World) -> None:
    for _ in range(3):
        place.paid(100)
    with registry.using("sandbox", Bank({})):
        run = nightly.ask_all(place.organisation.id, clock=lambda: NOW, limit=2)
    assert run is not None
    assert run.counts["no_answer"] == 2


def test_the_provider_is_asked_once_and_the_finding_waits(place: World) -> None:
    transfer = place.sent(800)
    place.compare(camt([Entry(-800, end_to_end=transfer.transfer_id)]))
    (finding,) = place.findings()
    with transaction():
        resolving.ask(
            organisation_id=place.organisation.id, finding_id=finding.id, actor=place.actor, now=NOW
        )
    assert place.findings()[0].state == "asked"
    assert db.session.scalar(select(OutboxMessage).where(OutboxMessage.kind == "transfer.ask")) is not None
    place.answer(transfer, Outcome.SUCCEEDED)
    assert nightly.recheck(place.organisation.id, NOW, NOW) == 1


def test_payments_by_hand_and_their_returns_are_matched(place: World) -> None:
    made = factories.payouts.payout_ready(place.organisation, amount=5_000, now=NOW)
    with transaction():
        payouts.mark_paid(
            organisation_id=place.organisation.id, reference=made.reference, payment_reference="CHQ-77",
            paid_on=NOW.date(), actor=place.actor, now=NOW,
        )  # fmt: skip
    place.compare(camt([Entry(-5_000, "CHQ-77")]))
    assert [m.how for m in place.matches()] == ["payment_reference"]
    with transaction():
        payouts.reverse(
            organisation_id=place.organisation.id, reference=made.reference, reason="Account closed",
            on=NOW.date(), actor=place.actor, now=NOW,
        )  # fmt: skip
    place.compare(camt([Entry(5_000, "X", text=f"RETURN {made.reference}")], opening=-5_000, number="2"))
    assert [m.direction for m in place.matches()] == ["out", "in"]
    assert (place.findings(), place.tie().difference) == ([], 0)


def test_one_debit_for_a_whole_bank_file_is_all_of_its_transfers(place: World) -> None:
    transfers = [place.paid(amount) for amount in (1_000, 2_500, 40)]
    with transaction():
        file = BankFile(
            uid=new_uid(), organisation_id=place.organisation.id, reference="BF-2026-0001", rail="bank_file",
            format="pain001", variant="pain.001.001.09", currency="USD", item_count=3, total_minor=3_540,
            controls={}, sha256="a" * 64, size_bytes=1, file_name="a.xml", storage_key="a", data_key_encrypted="",
            debit_masked="", made_on=DAY, day_number=1, execute_on=DAY, made_by_label="x", made_at=NOW,
        )  # fmt: skip
        db.session.add(file)
        db.session.flush()
        for position, transfer in enumerate(transfers, start=1):
            db.session.add(
                BankFileItem(
                    organisation_id=place.organisation.id, file_id=file.id, position=position,
                    transfer_row_id=transfer.id, payout_id=transfer.payout_id, key=transfer.transfer_id,
                    currency="USD", amount_minor=transfer.amount_minor, written_name="x", account_masked="x",
                )
            )  # fmt: skip
    place.compare(
        camt([Entry(-3_540, "B1", batch=("BF-2026-0001", 3)), Entry(-3_541, "B2", batch=("BF-2026-0001", 3))])
    )
    assert {m.transfer_id for m in place.matches()} == {t.id for t in transfers}
    assert {(m.how, m.is_batch, m.entry_id is not None) for m in place.matches()} == {("batch", True, True)}
    assert [(f.kind, f.theirs_minor) for f in place.findings()] == [("theirs_only", -3_541)]
    tie = place.tie()
    assert (tie.is_explained, tie.theirs_only, tie.amounts, tie.timing) == (True, -3_541, 0, 0)


def test_a_correction_needs_another_person_and_what_was_seen(place: World) -> None:
    place.compare(camt([Entry(-590, text="Fee")]))
    (finding,) = place.findings()
    common = {"organisation_id": place.organisation.id, "finding_id": finding.id, "now": NOW}
    with pytest.raises(Invalid), transaction():
        resolving.propose(**common, actor=place.actor, against="payable:X", note="")
    with pytest.raises(Invalid), transaction():
        resolving.propose(**common, actor=place.actor, against="income:interest", note="")
    with transaction():
        resolving.propose(**common, actor=place.actor, against="expense:bank_fees", note="Fee")
    with pytest.raises(Conflict, match="second person"), transaction():
        resolving.confirm(**common, actor=place.actor)
    with pytest.raises(StaleVersion), transaction():
        resolving.confirm(**common, actor=place.other, expected_version=1)
    assert db.session.scalar(select(JournalEntry)) is None
    with transaction():
        resolving.confirm(**common, actor=place.other)
    with pytest.raises(Conflict, match="has settled"), transaction():
        resolving.confirm(**common, actor=place.other)
    assert len(list(db.session.scalars(select(JournalEntry)))) == 1
    assert place.tie().difference == 0


def test_one_person_alone_waits_for_the_mode_s_delay(place: World) -> None:
    rules = default_rules("USD")
    rules["single_operator"] = {**rules.get("single_operator", {}), "is_on": True, "delay_hours": 12}
    with transaction():
        payouts.change_policy(organisation_id=place.organisation.id, rules=rules, actor=place.actor, now=NOW)
    place.compare(camt([Entry(-590, text="Fee")]))
    (finding,) = place.findings()
    common = {"organisation_id": place.organisation.id, "finding_id": finding.id, "actor": place.actor}
    with transaction():
        resolving.propose(**common, against="expense:bank_fees", note="Fee", now=NOW)
    with pytest.raises(Conflict), transaction():
        resolving.confirm(**common, now=NOW + timedelta(hours=11))
    with transaction():
        resolving.confirm(**common, now=NOW + timedelta(hours=12))
    assert "single operator" in db.session.get_one(Finding, finding.id).note


def test_nobody_settles_a_finding_of_another_organisation(place: World) -> None:
    place.compare(camt([Entry(-590, text="Fee")]))
    (finding,) = place.findings()
    other = factories.organisation(slug="other")
    with pytest.raises(NotFound), transaction():
        resolving.explain(
            organisation_id=other.id, finding_id=finding.id, note="It is ours", actor=place.actor, now=NOW
        )


def test_what_was_linked_meanwhile_is_not_linked_again(place: World) -> None:
    place.paid(4_321)
    place.compare(camt([Entry(-4_321, text="one"), Entry(-4_321, text="two")]))
    ours = place.findings("ours_only")[0].entry_id
    first, second = place.findings("theirs_only")
    common = {"organisation_id": place.organisation.id, "actor": place.actor, "now": NOW, "entry_id": ours}
    with transaction():
        resolving.link(finding_id=first.id, **common)
    with pytest.raises(Conflict), transaction():
        resolving.link(finding_id=second.id, **common)
    assert place.findings("ours_only") == []


def _settle_everything(place: World) -> None:
    """As people would: link what is suggested, book what the bank alone knows, ask about the rest."""
    common = {"organisation_id": place.organisation.id, "now": NOW}
    for _ in range(4):
        for seen in place.findings():
            finding = db.session.get_one(Finding, seen.id)
            if finding.state == "resolved":
                continue
            if finding.suggested_entry_id is not None:
                with transaction():
                    resolving.link(
                        finding_id=finding.id,
                        entry_id=finding.suggested_entry_id,
                        actor=place.actor,
                        **common,
                    )
            elif resolving.bookable(finding):
                against = resolving.counters(finding)[-1][0]
                with transaction():
                    resolving.propose(
                        finding_id=finding.id, against=against, note="", actor=place.actor, **common
                    )
                with transaction():
                    resolving.confirm(finding_id=finding.id, actor=place.other, **common)


@pytest.mark.parametrize("seed", range(6))
def test_once_everything_is_settled_the_balances_tie(place: World, seed: int) -> None:
    chance = random.Random(seed)
    entries, carried = [], chance.randrange(-50_000, 50_000)
    for _ in range(chance.randrange(1, 6)):
        transfer = place.paid(chance.randrange(100, 90_000))
        fate = chance.choice(["same", "amount", "anonymous", "returned"])
        if fate == "same":
            entries.append(Entry(-transfer.amount_minor, end_to_end=transfer.transfer_id))
        elif fate == "amount":
            fee = chance.randrange(1, 50)
            entries.append(Entry(-transfer.amount_minor - fee, end_to_end=transfer.transfer_id))
        elif fate == "anonymous":
            entries.append(Entry(-transfer.amount_minor, text=f"anonymous {chance.random()}"))
        else:
            place.answer(transfer, Outcome.REVERSED)
            entries.append(Entry(-transfer.amount_minor, end_to_end=transfer.transfer_id))
            entries.append(Entry(transfer.amount_minor, text=f"RETURNED {transfer.transfer_id}"))
    for _ in range(chance.randrange(0, 4)):
        entries.append(
            Entry(chance.choice([-1, 1]) * chance.randrange(1, 999_999), text=f"Bank {chance.random()}")
        )
    chance.shuffle(entries)
    half = chance.randrange(0, len(entries) + 1)
    middle = carried + sum(entry.amount for entry in entries[:half])
    place.compare(camt(entries[:half], opening=carried))
    # The second file repeats what the first one had.
    place.compare(camt(entries, opening=carried, number="2"))
    tie = place.tie()
    assert tie.is_explained
    assert tie.theirs == middle + sum(entry.amount for entry in entries[half:])
    _settle_everything(place)
    tie = place.tie()
    assert (tie.difference, tie.parts) == (0, (0,) * 6), (tie, [(f.kind, f.label) for f in place.findings()])
    assert place.findings() == []
    assert ledger_check.run(place.organisation.id).is_clean
    assert db.session.scalar(select(Payout).where(Payout.state == "processing")) is None


def test_missing_statements_are_a_finding_that_closes_when_they_come(place: World) -> None:
    days = [DAY - timedelta(days=n) for n in (2, 1, 0)]
    first, second, third = (
        camt([Entry(-100 * n, f"R{n}", on=on)], opening=opening, number=str(n), on=on)
        for n, opening, on in zip((1, 2, 3), (0, -100, -300), days, strict=True)
    )
    place.compare(first)
    place.compare(third)
    gap = [f for f in place.findings() if f.subject_key.startswith("gap:")]
    assert [f.theirs_minor for f in gap] == [-200]
    assert place.tie().is_explained
    place.compare(second)
    assert [f for f in place.findings() if f.subject_key.startswith("gap:")] == []
