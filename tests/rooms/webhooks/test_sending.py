"""The call itself, against a server on loopback."""

from __future__ import annotations

import socket

import pytest

from tests.rooms.webhooks.receiver import dripping, receiver
from webapp.webhooks import sending
from webapp.webhooks.rules import ANSWER_LENGTH


def test_an_event_is_posted_as_it_is() -> None:
    with receiver() as there:
        answer = sending.post(there.url, '{"a":1}', {"webhook-id": "msg_1"}, is_trial=True)
    assert (answer.code, answer.is_taken, answer.text, answer.problem) == (200, True, "thanks", "")
    (call,) = there.calls
    assert call.body == '{"a":1}'
    assert call.headers["content-type"] == "application/json"
    assert call.headers["webhook-id"] == "msg_1"


def test_nothing_of_this_machine_is_called_outside_of_trials() -> None:
    with receiver() as there:
        answer = sending.post(there.url, "{}", {}, is_trial=False)
    assert answer.code is None
    assert "private network" in answer.problem
    assert not there.calls


def test_redirects_are_not_followed() -> None:
    with receiver() as there:
        there.answers = [(302, {"location": there.url + "/other"}, b"")]
        answer = sending.post(there.url, "{}", {}, is_trial=True)
    assert (answer.code, answer.is_taken) == (302, False)
    assert "not followed" in answer.problem
    assert len(there.calls) == 1


def test_of_an_answer_the_beginning_is_kept_without_control_characters() -> None:
    with receiver() as there:
        there.answers = [(500, {"Retry-After": "120"}, b"\x00\x1b[31mno\n" + b"x" * 100_000)]
        answer = sending.post(there.url, "{}", {}, is_trial=True)
    assert (answer.code, answer.wish) == (500, 120.0)
    assert len(answer.text) == ANSWER_LENGTH
    assert answer.text.isprintable()
    assert "no x" in answer.text


def test_an_answer_that_breaks_off_still_has_its_code() -> None:
    with receiver() as there:
        there.answers = [(200, {"content-length": "50"}, b"half")]
        assert sending.post(there.url, "{}", {}, is_trial=True).is_taken


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x-more: 1\r\n"),
        (b"HTTP/1.1 20", b"0"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
    ],
)
def test_an_answer_that_never_gets_to_its_end_is_not_waited_for(
    first: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.5)
    with dripping(first, drop) as url:
        answer = sending.post(url, "{}", {}, is_trial=True)
    assert (answer.code, answer.problem) == (None, "No answer in time.")


def test_of_a_text_that_never_ends_the_code_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.5)
    with dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n", b"x") as url:
        answer = sending.post(url, "{}", {}, is_trial=True)
    assert answer.is_taken
    assert 0 < len(answer.text) < 120


def test_the_end_of_one_call_is_not_that_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as there:
        monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.0)
        assert sending.post(there.url, "{}", {}, is_trial=True).problem == "No answer in time."
        monkeypatch.undo()
        assert sending.post(there.url, "{}", {}, is_trial=True).is_taken


def test_where_nobody_listens_there_is_no_answer() -> None:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        port = there.getsockname()[1]
    answer = sending.post(f"http://127.0.0.1:{port}/", "{}", {}, is_trial=True)
    assert answer.code is None
    assert answer.problem.startswith("No connection")


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/", "http://[::1]:1/", "http:///", "nonsense"])
def test_nothing_that_goes_wrong_is_raised(url: str) -> None:
    assert sending.post(url, "{}", {}, is_trial=True).code is None
