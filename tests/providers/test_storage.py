"""The file store: whole files, keys that stay inside the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from webapp.kernel.errors import NotFound, Unavailable
from webapp.providers import storage


def test_what_is_saved_is_read_and_overwritten(app: Flask) -> None:
    with app.app_context():
        assert not storage.exists("documents/1/a.pdf")
        storage.save("documents/1/a.pdf", b"one")
        storage.save("documents/1/a.pdf", b"two")
        assert storage.exists("documents/1/a.pdf")
        assert storage.read("documents/1/a.pdf") == b"two"
        folder: Path = app.config["SETTINGS"].files_folder
        assert [p.name for p in (folder / "documents/1").iterdir()] == ["a.pdf"]


@pytest.mark.parametrize(
    "key", ["../x", "/etc/passwd", "a/../b", "", "a//b", ".hidden", "a b", "x" * 201, "a\0"]
)
def test_a_key_cannot_climb(app: Flask, key: str) -> None:
    with app.app_context():
        with pytest.raises(ValueError, match="not a storage key"):
            storage.save(key, b"")
        with pytest.raises(ValueError, match="not a storage key"):
            storage.read(key)


def test_a_missing_file_says_so(app: Flask) -> None:
    with app.app_context(), pytest.raises(NotFound):
        storage.read("documents/none.pdf")


def test_a_refusing_disk_leaves_nothing_half_written(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with app.app_context():
        with pytest.raises(Unavailable):
            storage.save("full/a.pdf", b"x")
        folder: Path = app.config["SETTINGS"].files_folder
        assert list((folder / "full").iterdir()) == []
