"""What is left out of Bootstrap's style sheet, and that no page needs it."""

from __future__ import annotations

import re
from pathlib import Path

from webapp.web.stylesheets import UNUSED, without_unused

WEBAPP = Path(__file__).resolve().parents[2] / "webapp"


def test_rules_of_unused_components_are_left_out() -> None:
    css = ".btn{a:b}.modal,.card{c:d}.carousel-item{e:f}@media (x){.toast{g:h}}@media (y){.row{i:j}.navbar{k:l}}"
    assert without_unused(css) == ".btn{a:b}.card{c:d}@media (y){.row{i:j}}"


def test_longer_names_functions_and_animations_stay() -> None:
    css = ".toasts{a:b}.x:not(.y,.z){c:d}@keyframes spinner-x{to{e:f}}"
    assert without_unused(css) == css


def test_no_page_uses_what_is_left_out() -> None:
    files = [*WEBAPP.rglob("*.html"), *WEBAPP.rglob("*.py"), *(WEBAPP / "static").glob("*.js")]
    texts = [file.read_text() for file in files if file.name != "stylesheets.py"]
    classes = [one for text in texts for one in re.findall(r"class(?:Name|_)?[=:]\s*\"([^\"]*)\"", text)]
    used = {name for one in classes for name in re.split(r"[^\w-]+", one)}
    assert {"btn", "form-control"} <= used
    # Our own names may begin like one of Bootstrap's; none may be one, or one of its parts.
    ours = {"toast-note", "toast-alert"}
    assert {
        name for name in used - ours if any(name == u or name.startswith(f"{u}-") for u in UNUSED)
    } == set()
