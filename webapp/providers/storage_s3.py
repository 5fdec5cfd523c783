"""Files in an S3-compatible bucket, so that any number of hosts see the same ones.

Every object carries the SHA-256 of its bytes: the server checks it on the way in, we check it on the way out.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import structlog

from webapp.config import StoragePlace
from webapp.kernel.errors import NotFound, Unavailable
from webapp.providers.storage_local import GONE

CONNECT_SECONDS = 3
READ_SECONDS = 10
ATTEMPTS = 3
_HASH = "paydesk-sha256"
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
NOT_REACHED = "The file storage does not answer. Nothing was changed; try again in a minute."

log = structlog.get_logger()

# One client per process and place. A forked child begins with none: a connection shared by two processes mixes answers.
_clients: dict[StoragePlace, Any] = {}
_lock = threading.Lock()


def _forget() -> None:
    global _lock
    _clients.clear()
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget)


class S3Bucket:
    """Keeps each key as an object of a bucket. Keys are checked by the port."""

    kind = "s3"

    def __init__(self, place: StoragePlace) -> None:
        self.place = place

    def __str__(self) -> str:
        return f"s3://{self.place.bucket}/{self.place.prefix} at {self.place.endpoint or 'Amazon'}"

    def save(self, key: str, content: bytes) -> None:
        """Store bytes whole or not at all; the server refuses what got damaged on the way. Raises Unavailable."""
        digest = hashlib.sha256(content)
        with _errors("save", key):
            _client(self.place).put_object(
                Bucket=self.place.bucket,
                Key=self._name(key),
                Body=content,
                ContentType="application/octet-stream",
                ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
                Metadata={_HASH: digest.hexdigest()},
            )

    def read(self, key: str) -> bytes:
        """The bytes of a key. Raises NotFound; Unavailable when they are not what was stored, or no answer comes."""
        with _errors("read", key):
            answer = _client(self.place).get_object(Bucket=self.place.bucket, Key=self._name(key))
            with answer["Body"] as body:
                content: bytes = body.read()
            expected = answer.get("Metadata", {}).get(_HASH)
        if expected and hashlib.sha256(content).hexdigest() != expected:
            log.error("storage.changed", key=key)
            raise Unavailable("The stored file is not the one that was put there.")
        return content

    def exists(self, key: str) -> bool:
        """Whether a key has bytes. Raises Unavailable."""
        try:
            with _errors("exists", key):
                _client(self.place).head_object(Bucket=self.place.bucket, Key=self._name(key))
        except NotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove a key; one that is not there is fine. Raises Unavailable."""
        with _errors("delete", key):
            _client(self.place).delete_object(Bucket=self.place.bucket, Key=self._name(key))

    def reach(self) -> None:
        """Ask for the bucket. Raises Unavailable."""
        try:
            with _errors("reach", ""):
                _client(self.place).head_bucket(Bucket=self.place.bucket)
        except NotFound as error:
            raise Unavailable("The bucket of the file storage is not there.") from error

    def _name(self, key: str) -> str:
        return f"{self.place.prefix}/{key}" if self.place.prefix else key


@contextmanager
def _errors(what: str, key: str) -> Iterator[None]:
    """The storage's errors as ours; what it said goes to the log, never to a page."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _MISSING:
            raise NotFound(GONE) from error
        log.error("storage.refused", what=what, key=key, code=code)
        raise Unavailable(f"The file storage refuses ({code or 'no reason given'}).") from error
    except (BotoCoreError, OSError) as error:
        log.error("storage.unreachable", what=what, key=key, error=type(error).__name__)
        raise Unavailable(NOT_REACHED) from error


def _client(place: StoragePlace) -> Any:
    with _lock:
        if place not in _clients:
            _clients[place] = _connect(place)
        return _clients[place]


def _connect(place: StoragePlace) -> Any:
    # Imported late: it takes a third of a second, and most processes of a small installation never need it.
    import boto3
    from botocore.config import Config

    client = boto3.session.Session().client(
        "s3",
        endpoint_url=place.endpoint or None,
        region_name=place.region,
        aws_access_key_id=place.key,
        aws_secret_access_key=place.secret,
        aws_session_token=place.session_token or None,
        verify=True,
        config=Config(
            signature_version="s3v4",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            s3={"addressing_style": "path" if place.endpoint else "virtual"},
            # The checksum that we give is enough; others confuse some servers.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    host = urlsplit(place.endpoint or client.meta.endpoint_url).netloc
    own_bucket = f"{place.bucket}.{host}"

    def stay(request: Any, **_: Any) -> None:
        """Credentials and files go to the host of the settings and to no other, whatever an answer says."""
        if urlsplit(request.url).netloc not in (host, own_bucket):
            raise Elsewhere()

    client.meta.events.register("before-send.s3", stay)
    return client


class Elsewhere(OSError):
    """The storage sent us to another host, which is not followed."""
