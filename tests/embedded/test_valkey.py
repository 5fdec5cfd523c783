"""The embedded store starts, is shared, keeps what it was told, and ends with its owner."""

import os
import select
import signal
import stat
import subprocess
import sys

import pytest
import redis

from tests.support.valkey import running_store
from webapp.embedded import valkey


@pytest.fixture
def home(tmp_path):
    yield tmp_path
    store = valkey.Store(tmp_path)
    store.socket.unlink(missing_ok=True)
    store.socket.parent.rmdir()


def test_store_answers_on_a_private_socket():
    with running_store() as store:
        client = redis.Redis.from_url(store.url)
        assert client.ping()
        assert client.config_get("appendonly", "maxmemory-policy", "port") == {
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "port": "0",
        }
        assert stat.S_IMODE(store.socket.stat().st_mode) == 0o700
        assert stat.S_IMODE(store.socket.parent.stat().st_mode) == 0o700
        client.close()
    assert not store.is_ready()


def test_second_start_uses_the_running_store_and_leaves_it_alone(home):
    first = valkey.start(home)
    second = valkey.start(home)
    assert first.is_owned
    assert not second.is_owned
    second.stop()
    assert first.is_ready()
    first.stop()
    assert not first.is_ready()


def test_store_keeps_its_data_over_a_restart(home):
    store = valkey.start(home)
    client = redis.Redis.from_url(store.url, decode_responses=True)
    client.set("doorbell", "rung")
    client.close()
    store.stop()
    store = valkey.start(home)
    assert client.get("doorbell") == "rung"
    client.close()
    store.stop()


def test_homes_with_long_paths_still_get_a_short_socket(tmp_path):
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    store = valkey.Store(deep)
    assert len(os.fsencode(store.socket)) < 100
    store.socket.parent.rmdir()


def test_a_socket_folder_that_others_can_enter_is_refused(home):
    folder = valkey.Store(home).socket.parent
    folder.chmod(0o755)
    with pytest.raises(valkey.StoreError, match="not a private folder"):
        valkey.Store(home)
    folder.chmod(0o700)


def test_a_data_folder_that_cannot_be_loaded_is_said(home):
    folder = home / "valkey" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("this is not a manifest\n")
    with pytest.raises(valkey.StoreError, match=r"did not start; see .*server\.log"):
        valkey.start(home)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with a killed parent")
def test_store_ends_when_its_owner_is_killed(home):
    code = (
        "import pathlib, sys, time; from webapp.embedded import valkey;"
        "store = valkey.start(pathlib.Path(sys.argv[1]));"
        "print(store._process.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    handle = os.pidfd_open(pid)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    ended, _, _ = select.select([handle], [], [], 60)
    os.close(handle)
    assert ended
