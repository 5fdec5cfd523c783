"""Compile every template as the application does, and check that what they take from one another exists."""

from __future__ import annotations

import sys

from jinja2 import Environment, TemplateError, nodes

from webapp.app import create_app
from webapp.notices import compose
from webapp.statements import render_pdf


def _names_given(environment: Environment, source: str) -> set[str]:
    """The macros and variables that a template gives to those that import from it."""
    tree = environment.parse(source)
    given = {macro.name for macro in tree.find_all(nodes.Macro)}
    targets = [each.target for each in tree.find_all(nodes.Assign)]
    targets += [each.target for each in tree.find_all(nodes.AssignBlock)]
    for target in targets:
        given |= (
            {target.name} if isinstance(target, nodes.Name) else {n.name for n in target.find_all(nodes.Name)}
        )
    for taken in tree.find_all(nodes.FromImport):
        given |= {name if isinstance(name, str) else name[1] for name in taken.names}
    return given


def _problems(environment: Environment, name: str) -> list[str]:
    """What is wrong with one template, in sentences."""
    assert environment.loader is not None  # noqa: S101 - Flask sets one
    source, _, _ = environment.loader.get_source(environment, name)
    try:
        environment.get_template(name)
        tree = environment.parse(source)
    except TemplateError as error:
        return [f"{name}:{getattr(error, 'lineno', '?')}: {error.message}"]
    found = []
    known = set(environment.list_templates())
    users: list[nodes.Extends | nodes.Include | nodes.Import | nodes.FromImport] = [
        *tree.find_all(nodes.Extends),
        *tree.find_all(nodes.Include),
        *tree.find_all(nodes.Import),
        *tree.find_all(nodes.FromImport),
    ]
    for user in users:
        target = user.template.value if isinstance(user.template, nodes.Const) else None
        if not isinstance(target, str):
            continue
        if target not in known:
            found.append(f"{name}:{user.lineno}: there is no template {target!r}")
        elif isinstance(user, nodes.FromImport):
            given = _names_given(environment, environment.loader.get_source(environment, target)[0])
            wanted = {item if isinstance(item, str) else item[0] for item in user.names}
            found += [f"{name}:{user.lineno}: {target!r} has no {item!r}" for item in sorted(wanted - given)]
    return found


def main() -> int:
    """Print what is wrong; the exit code is 1 when anything is."""
    pages, mails, documents = create_app().jinja_env, compose.environment(), render_pdf.environment()
    # E-mails and documents are made by workers, with environments and filters of their own.
    printed = ("remittance", "monthly", "receipt", "_section")
    own_folders = ("emails/", *(f"statements/{name}" for name in printed))
    checked: list[tuple[Environment, str]] = [
        (pages, name) for name in pages.list_templates() if not name.startswith(own_folders)
    ]
    checked += [(mails, name) for name in mails.list_templates()]
    checked += [(documents, name) for name in documents.list_templates() if name.startswith(printed)]
    found = [problem for environment, name in checked for problem in _problems(environment, name)]
    print("\n".join(found) or f"{len(checked)} templates compile and find what they use.")
    return 1 if found or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
