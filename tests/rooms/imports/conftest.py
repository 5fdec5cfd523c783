"""A place with two admins, and the steps of an import as a person without JavaScript takes them."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories.pages import Place
from tests.factories.pages import place as make_place
from webapp.database import db
from webapp.imports import work
from webapp.imports.models import ImportFile

HIDDEN = re.compile(r'<input[^>]*name="(version|sha256|created|updated|refused)"[^>]*value="([^"]*)"')


@dataclass
class Desk:
    """A signed-in browser that imports lists."""

    place: Place
    client: FlaskClient
    seen: list[str] = field(default_factory=list)

    def upload(self, kind: str, data: bytes | str, name: str = "list.csv") -> Any:
        """The answer to a file."""
        content = data.encode() if isinstance(data, str) else data
        return self.client.post(f"/admin/imports/new/{kind}", data={"file": (io.BytesIO(content), name)})

    def kept(self, kind: str, data: bytes | str, name: str = "list.csv") -> str:
        """The reference of a file that was taken."""
        answer = self.upload(kind, data, name)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["Location"].split("/")[3])

    def columns(self, reference: str, action: str = "check", **values: str) -> Any:
        """Send the form of the columns as it is shown, with some answers changed."""
        page = self.client.get(f"/admin/imports/{reference}/columns")
        return self.client.post(
            f"/admin/imports/{reference}/columns", data={**chosen(page.text), "action": action, **values}
        )

    def check(self, kind: str, data: bytes | str, **values: str) -> str:
        """Upload, take the columns as they are guessed, and let a worker check all rows."""
        reference = self.kept(kind, data)
        answer = self.columns(reference, **values)
        assert answer.status_code == 303, answer.text
        assert self.work(reference)
        return reference

    def bring(self, reference: str, **values: str) -> Any:
        """Confirm the check as the page shows it."""
        page = self.client.get(f"/admin/imports/{reference}").text
        return self.client.post(
            f"/admin/imports/{reference}/run", data={**dict(HIDDEN.findall(page)), **values}
        )

    def whole(self, kind: str, data: bytes | str, **values: str) -> str:
        """From the upload to the last row."""
        reference = self.check(kind, data, **values)
        assert self.bring(reference).status_code == 303
        assert self.work(reference)
        return reference

    def page(self, reference: str) -> str:
        """The page of an import."""
        return str(self.client.get(f"/admin/imports/{reference}").text)

    def work(self, reference: str, **values: Any) -> bool:
        """What the bulk worker does."""
        return work.step(import_id=self.row(reference).id, **values)

    def row(self, reference: str) -> ImportFile:
        """The import as it is stored now."""
        db.session.rollback()
        return db.session.query(ImportFile).populate_existing().filter_by(reference=reference).one()


def chosen(page: str) -> dict[str, str]:
    """What the selects and the version of a mapping page say."""
    values = {}
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.S):
        picked = re.search(r'<option selected value="([^"]*)"', options)
        values[name] = picked[1] if picked else ""
    return {**values, **dict(HIDDEN.findall(page))}


@pytest.fixture
def place(database: Flask) -> Place:
    """An organisation and its people."""
    return make_place(database)


@pytest.fixture
def desk(place: Place) -> Desk:
    """Maya's browser."""
    return Desk(place, place.client(place.maker))
