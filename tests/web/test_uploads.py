"""Uploads are what their bytes say, whole, and of a decent size."""

from __future__ import annotations

import io

import pytest
from werkzeug.datastructures import FileStorage

from webapp.kernel.errors import Invalid
from webapp.web import uploads

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00" * 17 + b"\x00\x00\x00\x00IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 40 + b"\xff\xd9"
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n%%EOF\n"


def stored(data: bytes, name: str | None) -> FileStorage:
    return FileStorage(io.BytesIO(data), filename=name)


@pytest.mark.parametrize(
    ("data", "name", "kind", "safe"),
    [
        (PNG, "roof.png", "image/png", "roof.png"),
        (JPEG, "roof.JPEG", "image/jpeg", "roof.jpg"),
        (PDF, "Prüfung (2).pdf", "application/pdf", "Prüfung (2).pdf"),
        (PDF, "../../etc/passwd.pdf", "application/pdf", "passwd.pdf"),
        (PDF, 'C:\\x\\a"\r\nb.pdf', "application/pdf", "a_b.pdf"),
        (PDF, "certificate", "application/pdf", "certificate.pdf"),
        (PDF, "...", "application/pdf", "file.pdf"),
    ],
)
def test_good_files_get_a_safe_name(data: bytes, name: str, kind: str, safe: str) -> None:
    upload = uploads.check(stored(data, name))
    assert (upload.content_type, upload.name, upload.data) == (kind, safe, data)


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "a.png", "empty"),
        (PNG, None, "Choose a file"),
        (b"<script>", "a.png", "not a whole"),
        (b"MZ\x90\x00", "a.pdf", "not a whole"),
        (PNG[:30], "a.png", "not a whole"),
        (PDF[:-8], "a.pdf", "not a whole"),
        (PDF, "a.png", "the file is a PDF"),
        (PNG, "page.html", "the file is a PNG"),
        (PDF + b"\x00" * (10 * 1024 * 1024), "a.pdf", "larger than 10 MB"),
    ],
)
def test_other_files_are_refused(data: bytes, name: str | None, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        uploads.check(stored(data, name))
