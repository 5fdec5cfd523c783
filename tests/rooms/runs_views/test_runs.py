"""The pages of runs: list, progress, outcomes that add up, stop, try again."""

from __future__ import annotations

import csv
import io

import pytest

from tests.factories import people
from tests.factories.pages import Place, counted_queries
from tests.rooms.runs_views.conftest import HOUR
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid
from webapp.runs import handlers, service
from webapp.runs.models import RowOutcome, Run, RunRow

KIND = "test.rows"


@pytest.fixture(autouse=True)
def _handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows do what their data says."""

    def work(run: Run, row: RunRow, actor: Actor, now: object) -> service.RowResult:
        if row.data["does"] == "skip":
            raise Conflict("Somebody was faster.")
        if row.data["does"] == "fail":
            raise Invalid("size", "=The size is missing.")
        return service.RowResult(RowOutcome.DONE, "Fine.")

    monkeypatch.setitem(handlers.single, KIND, work)


def _run(place: Place, *does: str, confirm: bool = True) -> str:
    rows = [
        service.RowDraft("thing", n, f"Thing {n}", 1, {"does": one}) for n, one in enumerate(does, start=1)
    ]
    actor = people.actor_of(place.maker)
    with transaction():
        run = service.create_draft(
            organisation_id=place.organisation.id, kind=KIND, title="Work", rows=rows, actor=actor, now=HOUR
        )
        reference = run.reference
        if confirm:
            service.confirm(organisation_id=place.organisation.id, reference=reference, actor=actor, now=HOUR)
    return reference


def _work(reference: str, chunk: int = 200) -> None:
    run_id = db.session.query(Run.id).filter_by(reference=reference).scalar()
    db.session.rollback()
    service.step(run_id=run_id, clock=lambda: HOUR, chunk=chunk)


def test_outcomes_add_up(place: Place) -> None:
    reference = _run(place, "do", "skip", "do", "fail")
    _work(reference)
    client = place.client(place.approver)
    html = client.get(f"/admin/runs/{reference}").text
    for text in (
        "2 done",
        "1 skipped",
        "1 failed",
        "Somebody was faster.",
        "Thing 4",
        "Try the failed one again",
    ):
        assert text in html
    failed = client.get(f"/admin/runs/{reference}?outcome=failed").text
    assert "Thing 4" in failed
    assert "Thing 1" not in failed
    row = client.get("/admin/runs").text
    assert reference in row
    assert "Test: rows" in row


def test_csv_has_every_row_and_cannot_run(place: Place) -> None:
    reference = _run(place, "do", "fail")
    _work(reference)
    client = place.client(place.maker)
    answer = client.get(f"/admin/runs/{reference}/rows.csv")
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [row["Outcome"] for row in rows] == ["Done", "Failed"]
    assert rows[1]["Message"].startswith("'=The size")
    one = client.get(f"/admin/runs/{reference}/rows.csv?outcome=failed").data.decode("utf-8-sig")
    assert len(one.strip().splitlines()) == 2
    assert client.get(f"/admin/runs/{reference}/rows.csv?outcome=lost").status_code == 422


def test_progress_is_polled_until_the_end(place: Place) -> None:
    reference = _run(place, "do", "do", "do")
    _work(reference, chunk=2)
    client = place.client(place.maker)
    page = client.get(f"/admin/runs/{reference}").text
    assert 'data-hx-trigger="every 2s"' in page
    assert '<meta http-equiv="refresh" content="5">' in page
    assert "Stop after the present row" in page
    working = client.get(f"/admin/runs/{reference}/progress")
    assert working.status_code == 200
    assert "2</span> of" in working.text
    assert "Thing 1" not in working.text
    _work(reference)
    over = client.get(f"/admin/runs/{reference}/progress")
    assert over.status_code == 286
    assert "every 2s" not in over.text
    assert 'data-hx-swap-oob="true"' in over.text
    assert "Thing 3" in over.text
    assert "http-equiv" not in client.get(f"/admin/runs/{reference}").text


def test_stop_keeps_what_is_done(place: Place) -> None:
    reference = _run(place, "do", "do", "do")
    _work(reference, chunk=1)
    client = place.client(place.maker)
    assert client.post(f"/admin/runs/{reference}/stop").status_code == 303
    html = client.get(f"/admin/runs/{reference}").text
    for text in ("stopped", "1 done", "2 not done"):
        assert text in html
    _work(reference)
    assert db.session.query(RunRow).filter_by(outcome="waiting").count() == 2


def test_stop_of_a_finished_run_is_a_conflict(place: Place) -> None:
    reference = _run(place, "do")
    _work(reference)
    answer = place.client(place.maker).post(f"/admin/runs/{reference}/stop")
    assert answer.status_code == 409
    assert "has finished already" in answer.text


def test_failed_rows_become_a_draft_that_is_confirmed(place: Place) -> None:
    reference = _run(place, "do", "fail", "fail")
    _work(reference)
    client = place.client(place.maker)
    answer = client.post(f"/admin/runs/{reference}/retry")
    assert answer.status_code == 303
    again = answer.headers["Location"]
    page = client.get(again).text
    assert "Start 2 rows" in page
    assert db.session.query(RunRow).filter_by(outcome="waiting").count() == 2
    assert place.client(place.approver).post(f"{again}/confirm").status_code == 403
    assert client.post(f"{again}/confirm").status_code == 303
    assert db.session.query(Run).filter_by(state="queued").count() == 1


def test_nothing_failed_is_nothing_to_try_again(place: Place) -> None:
    reference = _run(place, "do")
    assert place.client(place.maker).post(f"/admin/runs/{reference}/retry").status_code == 409
    _work(reference)
    assert place.client(place.maker).post(f"/admin/runs/{reference}/retry").status_code == 409


def test_failed_approvals_are_checked_again_as_they_are_now(place: Place) -> None:
    payout = place.payout()
    client = place.client(place.approver)
    answer = client.post("/admin/approvals/check", data={"act": "approve", "ids": payout.id})
    draft = answer.headers["Location"]
    client.post(draft)
    reference = draft.rpartition("/")[2]
    with transaction():
        run = db.session.query(Run).filter_by(reference=reference).one()
        row = db.session.query(RunRow).filter_by(run_id=run.id).one()
        run.state, run.failed, row.outcome, row.message = "finished", 1, "failed", "The disk was full."
        payout.version += 1
    retried = client.post(f"/admin/runs/{reference}/retry")
    check = client.get(retried.headers["Location"])
    assert check.status_code == 303
    assert check.headers["Location"].startswith("/admin/approvals/check/BA-")
    assert "Approve 1 payout ($499.50)" in client.get(check.headers["Location"]).text
    assert db.session.query(RunRow).filter_by(outcome="waiting").one().subject_version == payout.version


def test_drafts_are_not_listed_and_others_runs_not_there(place: Place) -> None:
    draft, run = _run(place, "do", confirm=False), _run(place, "do")
    html = place.client(place.maker).get("/admin/runs").text
    assert run in html
    assert draft not in html
    elsewhere = people.organisation("nova")
    stranger = place.client(people.user(organisation=elsewhere, role="admin"), elsewhere)
    assert run not in stranger.get("/admin/runs").text
    for address in ("", "/progress", "/rows.csv"):
        assert stranger.get(f"/admin/runs/{run}{address}").status_code == 404
    for act in ("stop", "retry", "confirm"):
        assert stranger.post(f"/admin/runs/{run}/{act}").status_code == 404


def test_list_filters_and_asks_few_questions(place: Place) -> None:
    runs = [_run(place, "do") for _ in range(30)]
    _work(runs[0])
    client = place.client(place.maker)
    html = client.get("/admin/runs?state=finished").text
    assert runs[0] in html
    assert runs[1] not in html
    assert "No runs match" in client.get("/admin/runs?state=stopped").text
    assert client.get("/admin/runs?kind=unheard").status_code == 422
    with counted_queries() as statements:
        client.get("/admin/runs")
    assert len(statements) <= 12, statements
