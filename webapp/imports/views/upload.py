"""An uploaded list: looked at whole, kept in the storage, then known to the database."""

from __future__ import annotations

import re

from flask import g
from werkzeug.datastructures import FileStorage

from webapp.database import db, transaction
from webapp.imports import service
from webapp.imports.kinds import Kind
from webapp.imports.reading import check_upload, is_workbook
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.kernel.ids import new_uid
from webapp.people.views.session import actor
from webapp.providers import storage
from webapp.web.uploads import MAXIMUM_BYTES

_UNSAFE = re.compile(r"[^\w .()\-]+")


def safe_name(filename: str) -> str:
    """The last part of a file's name without anything a page, a header or a folder could trip over."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return _UNSAFE.sub("_", last).strip(" ._")[:120] or "list.csv"


def keep(kind: Kind, file: FileStorage | None) -> str:
    """Check and store a file; the reference of its import. Raises Invalid with the reason, nothing stored."""
    if file is None or not file.filename:
        raise Invalid("file", "Choose a file.", f"{kind.code}.csv")
    data = file.stream.read(MAXIMUM_BYTES + 1)
    table = check_upload(data)
    organisation_id, who, name = g.organisation.id, actor(), safe_name(file.filename)
    key = f"imports/{organisation_id}/{new_uid()}.{'xlsx' if is_workbook(data) else 'csv'}"
    # The storage may be another host that is slow: no transaction waits for it.
    db.session.rollback()
    storage.save(key, data)
    try:
        with transaction():
            row = service.add_file(
                organisation_id=organisation_id,
                kind=kind.code,
                file_name=name,
                storage_key=key,
                data=data,
                rows=len(table.rows),
                actor=who,
                now=utc_now(),
            )
            return row.reference
    except BaseException:
        storage.delete(key)
        raise
