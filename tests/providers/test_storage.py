"""The file store: the same promises kept by a folder and by an S3 server; keys that stay inside."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from moto.server import ThreadedMotoServer

from webapp import config
from webapp.config import Settings, SettingsError, StoragePlace
from webapp.kernel.errors import NotFound, Unavailable
from webapp.providers import storage, storage_local, storage_s3
from webapp.providers.storage_local import LocalFolder
from webapp.providers.storage_s3 import S3Bucket

BUCKET = "papers"


@pytest.fixture(scope="module")
def bucket() -> Iterator[StoragePlace]:
    """A bucket of an S3 server on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    place = StoragePlace(BUCKET, "desk/one", f"http://127.0.0.1:{server.get_host_and_port()[1]}", "eu-west-1",
                         "test-key", "test-secret")  # fmt: skip
    storage_s3._client(place).create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    yield place
    server.stop()
    storage_s3._clients.clear()


def _settings(place: StoragePlace, **others: str) -> dict[str, Any]:
    return {
        "STORAGE_URL": f"s3://{place.bucket}/{place.prefix}?endpoint={place.endpoint}&region={place.region}",
        "STORAGE_KEY": place.key,
        "STORAGE_SECRET": place.secret,
        **others,
    }


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The application with each kind of storage in turn."""
    if request.param == "s3":
        made = request.getfixturevalue("bucket")
        old: Settings = app.config["SETTINGS"]
        values = {str(f.alias): getattr(old, n) for n, f in Settings.model_fields.items()}
        monkeypatch.setitem(app.config, "SETTINGS", Settings(**{**values, **_settings(made)}))
    with app.app_context():
        yield request.param


def test_what_is_saved_is_read_overwritten_and_removed(place: str) -> None:
    key = "documents/1/a.pdf"
    assert not storage.exists(key)
    storage.save(key, b"one")
    storage.save(key, b"two")
    assert storage.exists(key)
    assert storage.read(key) == b"two"
    storage.delete(key)
    storage.delete(key)
    assert not storage.exists(key)
    with pytest.raises(NotFound):
        storage.read(key)


@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 4000])
def test_every_byte_comes_back(place: str, content: bytes) -> None:
    storage.save("bytes/all", content)
    assert storage.read("bytes/all") == content


@pytest.mark.parametrize(
    "key", ["../x", "/etc/passwd", "a/../b", "", "a//b", ".hidden", "a b", "x" * 201, "a\0", "a\n", "é"]
)
def test_a_key_cannot_climb(place: str, key: str) -> None:
    for act in (storage.read, storage.exists, storage.delete, lambda k: storage.save(k, b"")):
        with pytest.raises(ValueError, match="not a storage key"):
            act(key)


def test_a_missing_file_says_so(place: str) -> None:
    with pytest.raises(NotFound):
        storage.read("documents/none.pdf")


def test_the_probe_leaves_nothing(place: str, app: Flask) -> None:
    folder: Path = app.config["SETTINGS"].files_folder
    before = set(folder.rglob("*"))
    storage.reach()
    where = storage.probe()
    assert (BUCKET in where) == (place == "s3")
    assert {path for path in set(folder.rglob("*")) - before if path.is_file()} == set()


# ---- the folder


def test_a_refusing_disk_leaves_nothing_half_written(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage_local.os, "fsync", full)
    with app.app_context():
        with pytest.raises(Unavailable):
            storage.save("full/a.pdf", b"x")
        folder: Path = app.config["SETTINGS"].files_folder
        assert list((folder / "full").iterdir()) == []
        with pytest.raises(Unavailable, match="step 'write'"):
            storage.probe()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir(mode=0o500)
    with pytest.raises(Unavailable):
        LocalFolder(tmp_path / "files").reach()


def test_a_folder_that_will_be_made_is_ready(tmp_path: Path) -> None:
    LocalFolder(tmp_path / "not" / "yet").reach()


# ---- the bucket


def test_objects_lie_under_the_prefix_and_the_server_is_told_the_hash(bucket: StoragePlace) -> None:
    client, sent = storage_s3._client(bucket), []
    client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: sent.append(request), unique_id="t"
    )
    S3Bucket(bucket).save("a/b", b"x")
    client.meta.events.unregister("before-send.s3.PutObject", unique_id="t")
    (request,) = sent
    assert request.headers["x-amz-checksum-sha256"] == b"LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE="
    head = client.head_object(Bucket=BUCKET, Key="desk/one/a/b")
    assert len(head["Metadata"]["paydesk-sha256"]) == 64


def test_bytes_that_changed_in_the_bucket_are_not_handed_out(bucket: StoragePlace) -> None:
    store = S3Bucket(bucket)
    store.save("changed", b"10.00")
    metadata = storage_s3._client(bucket).head_object(Bucket=BUCKET, Key="desk/one/changed")["Metadata"]
    storage_s3._client(bucket).put_object(
        Bucket=BUCKET, Key="desk/one/changed", Body=b"99.00", Metadata=metadata
    )
    with pytest.raises(Unavailable, match="not the one"):
        store.read("changed")


def test_a_bucket_that_is_not_there_is_unavailable(bucket: StoragePlace) -> None:
    other = S3Bucket(StoragePlace("nobody", "", bucket.endpoint, bucket.region, "k", "s"))
    with pytest.raises(Unavailable, match="not there"):
        other.reach()
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        other.save("a", b"")


def _answering(answer: bytes) -> tuple[int, list[bytes], threading.Event]:
    """A server that gives every connection the same answer; the port, what it was sent, how to end it."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    seen: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        with listener:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    seen.append(connection.recv(65536))
                    if answer:
                        connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1], seen, over


def test_a_storage_that_is_away_is_tried_a_few_times_and_then_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    port, seen, over = _answering(b"")
    try:
        with pytest.raises(Unavailable, match="does not answer") as caught:
            S3Bucket(StoragePlace("abc", "", f"http://127.0.0.1:{port}", "r", "k", "very-secret")).read("a")
    finally:
        over.set()
    assert len(seen) == storage_s3.ATTEMPTS
    assert "very-secret" not in str(caught.value)


def test_a_redirect_to_another_host_is_not_followed() -> None:
    lure, lured, lure_over = _answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    body = b"<Error><Code>PermanentRedirect</Code><Bucket>abc</Bucket></Error>"
    port, _, over = _answering(
        b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:%d/abc/a\r\nx-amz-bucket-region: elsewhere\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (lure, len(body), body)
    )
    try:
        with pytest.raises(Unavailable):
            S3Bucket(StoragePlace("abc", "", f"http://127.0.0.1:{port}", "r", "k", "s")).read("a")
    finally:
        over.set()
        lure_over.set()
    assert lured == []


def test_a_request_that_would_go_elsewhere_is_stopped(bucket: StoragePlace) -> None:
    client = storage_s3._connect(bucket)
    client.meta.events.register_first(
        "before-sign.s3", lambda request, **_: setattr(request, "url", "http://127.0.0.1:9/other")
    )
    storage_s3._clients[bucket], before = client, storage_s3._client(bucket)
    try:
        with pytest.raises(Unavailable):
            S3Bucket(bucket).read("a")
    finally:
        storage_s3._clients[bucket] = before


def test_a_forked_child_makes_its_own_client(bucket: StoragePlace) -> None:
    storage_s3._client(bucket)
    pid = os.fork()
    if pid == 0:
        try:
            clean = not storage_s3._clients
            S3Bucket(bucket).save("child", b"of mine")
            os._exit(0 if clean else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert S3Bucket(bucket).read("child") == b"of mine"


# ---- the settings


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://bucket", "s3://bucket"),
        ("s3://", "s3://bucket"),
        ("s3://Bucket", "s3://bucket"),
        ("s3://bucket/../up", "s3://bucket"),
        ("s3://bucket?endpoint=http://s3.example.org", "https://"),
        ("s3://bucket?endpoint=ftp://s3.example.org", "https://"),
        ("s3://bucket?endpoint=https://user:pass@s3.example.org", "no password"),
        ("s3://bucket?colour=red", "'colour'"),
    ],
)
def test_a_wrong_storage_address_stops_the_start(url: str, words: str) -> None:
    settings = Settings(STORAGE_URL=url, STORAGE_KEY="k", STORAGE_SECRET="s")
    with pytest.raises(SettingsError, match=words):
        config.storage_place(settings)


def test_credentials_come_from_our_names_or_amazons(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match="STORAGE_KEY and STORAGE_SECRET"):
        config.storage_place(Settings(STORAGE_URL="s3://bucket"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "theirs")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-one")
    place = config.storage_place(Settings(STORAGE_URL="s3://bucket?region=ap-south-1"))
    assert (place.key, place.region, place.endpoint) == ("theirs", "ap-south-1", "")
    assert "hidden-one" not in repr(place)
    ours = config.storage_place(Settings(STORAGE_URL="s3://bucket", STORAGE_KEY="a", STORAGE_SECRET="b"))
    assert (ours.key, ours.secret, ours.session_token) == ("a", "b", "")
