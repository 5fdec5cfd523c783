"""How templates are compiled: Flask's way, strict, and quick at taking parts from one another."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, MutableMapping
from types import FunctionType
from typing import Any

from flask import Flask
from flask.templating import Environment
from jinja2 import StrictUndefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context, Macro
from jinja2.utils import internalcode
from markupsafe import Markup, _escape_inner, escape


def written(value: object) -> str:
    """What a template writes for a value: escaped as `markupsafe.escape` does it, but for plain text no object is made.

    The text only joins the text of the page, where nobody asks any more whether it is safe.
    """
    if type(value) is str:
        return _escape_inner(value)
    return value if type(value) is Markup else escape(value)


class _PageCode(CodeGenerator):
    """Templates in Python, as Jinja writes them; what is put out goes through `written`."""

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        """The module of a template begins with the name that its outputs use."""
        self.writeline("from webapp.web.templates import written")
        super().visit_Template(node, frame)

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.autoescape and not frame.eval_ctx.volatile and finalize.src is None:
            self.write("written(")
        else:
            super()._output_child_pre(node, frame, finalize)


class _PageContext(Context):
    """Jinja's context, with a short way for what templates call most: macros, and functions that take no context."""

    @internalcode
    def call(self, obj: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a macro or a function of a template, as Jinja's own way does; that is asked for everything else."""
        kind = type(obj)
        if kind is Macro:
            args = (self.eval_ctx, *args)
        elif kind is not FunctionType or "jinja_pass_arg" in obj.__dict__:
            return super().call(obj, *args, **kwargs)
        kwargs.pop("_block_vars", None)
        kwargs.pop("_loop_vars", None)
        try:
            return obj(*args, **kwargs)
        except StopIteration:
            return self.environment.undefined(
                "value was undefined because a callable raised a StopIteration exception"
            )


class PageEnvironment(Environment):
    """Flask's environment. No template of ours has globals of its own, so all of them share one plain mapping."""

    code_generator_class = _PageCode
    context_class = _PageContext

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """The globals of a template. A chain of mappings is compared in Python, for each import of each page."""
        return ChainMap(d, self.globals) if d else self.globals


def init_app(app: Flask) -> None:
    """Choose the environment; before anything asks the application for its templates."""
    app.jinja_environment = PageEnvironment
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
