"""Style sheets, scripts and the icon, under addresses that change with their content.

Bootstrap's style sheet and htmx come out of the installed wheels; everything else from
``webapp/static``. Only the files named here are served. They are read, compressed and hashed
once at start-up, so an answer costs a dictionary look-up and may be cached for a year.

Templates use ``asset("app.css")`` for the address and ``asset_integrity("app.css")`` for the
value of the ``integrity`` attribute.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, request, url_for

from webapp.web.guards import public
from webapp.web.stylesheets import without_unused

STATIC_FOLDER = Path(__file__).resolve().parent.parent / "static"

#: served name -> (installed package, path inside it)
PACKAGED_FILES: Mapping[str, tuple[str, str]] = {
    "bootstrap.min.css": ("flask_bootstrap", "static/bootstrap5/css/bootstrap.min.css"),
    "htmx.min.js": ("django_htmx", "static/django_htmx/htmx-2.min.js"),
}
#: served name -> path below webapp/static
OWN_FILES: Mapping[str, str] = {
    "app.css": "app.css",
    "app.js": "app.js",
    "favicon.svg": "favicon.svg",
    "passkeys.js": "passkeys.js",
}
#: not part of the first load: the few pages that need them ask for them
LATER_FILES = frozenset({"passkeys.js"})
CONTENT_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
ONE_YEAR = 365 * 24 * 60 * 60

blueprint = Blueprint("assets", __name__, url_prefix="/assets")


@dataclass(frozen=True)
class Asset:
    """One file as it is served: its bytes, its compressed bytes, and what identifies them."""

    name: str
    content: bytes
    compressed: bytes
    content_type: str
    digest: str
    integrity: str


def _package_file(package: str, inside: str) -> Path:
    """Path of a file inside an installed package, found without importing the package."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"The package {package} is not installed. Install the locked requirements.")
    return Path(spec.origin).parent / inside


def squeeze(text: str, suffix: str) -> str:
    """Our own style sheet or script without its comments and indentation; behaviour stays the same.

    Lines are kept apart, so nothing depends on semicolons. Safe for files that hold no template
    literals and no comment signs inside quotes, which the tests make sure of.
    """
    if suffix not in (".css", ".js"):
        return text
    text = re.sub(r"^[ \t]*/\*.*?\*/", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = (line.strip() for line in text.splitlines())
    return (
        "\n".join(line for line in lines if line and not (suffix == ".js" and line.startswith("//"))) + "\n"
    )


def load_asset(name: str, path: Path) -> Asset:
    """Read one file and prepare it for serving; raises RuntimeError where it is missing."""
    if not path.is_file():
        raise RuntimeError(f"The file {path} is missing. Install the locked requirements again.")
    content = path.read_bytes()
    if name in OWN_FILES:
        content = squeeze(content.decode("utf-8"), path.suffix).encode("utf-8")
    elif path.suffix == ".css":
        content = without_unused(content.decode("utf-8")).encode("utf-8")
    return Asset(
        name=name,
        content=content,
        compressed=gzip.compress(content, compresslevel=9, mtime=0),
        content_type=CONTENT_TYPES[path.suffix],
        digest=hashlib.sha256(content).hexdigest()[:8],
        integrity="sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode("ascii"),
    )


def load_assets() -> dict[str, Asset]:
    """Every file that may be served, by name."""
    paths = {name: _package_file(*place) for name, place in PACKAGED_FILES.items()}
    paths |= {name: STATIC_FOLDER / inside for name, inside in OWN_FILES.items()}
    return {name: load_asset(name, path) for name, path in paths.items()}


def _asset(name: str) -> Asset:
    assets: dict[str, Asset] = current_app.extensions["assets"]
    return assets[name]


def asset_url(name: str) -> str:
    """Address of a file, with its content hash; raises KeyError for a name that is not served."""
    return _address(current_app._get_current_object(), request.script_root, name)  # type: ignore[attr-defined]


@lru_cache(maxsize=256)
def _address(app: object, script_root: str, name: str) -> str:
    """Kept for each application and for each path that it is mounted at: every page asks for five of them."""
    return url_for("assets.serve", digest=_asset(name).digest, name=name)


def asset_integrity(name: str) -> str:
    """Value of the ``integrity`` attribute of a file; raises KeyError for a name that is not served."""
    return _asset(name).integrity


@blueprint.get("/<digest>/<name>")
@public
def serve(digest: str, name: str) -> Response:
    """One file; 404 for a name that is not on the list and for the hash of another version."""
    assets: dict[str, Asset] = current_app.extensions["assets"]
    asset = assets.get(name)
    if asset is None or asset.digest != digest:
        abort(404)
    zipped = request.accept_encodings["gzip"] > 0
    response = Response(asset.compressed if zipped else asset.content, content_type=asset.content_type)
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.cache_control.public = True
    response.cache_control.max_age = ONE_YEAR
    response.cache_control.immutable = True
    # Two bodies, one per encoding, must not share a strong tag.
    response.set_etag(f"{asset.digest}-gzip" if zipped else asset.digest)
    response.make_conditional(request)
    return response


def init_app(app: Flask) -> None:
    """Load the files, mount the address and give templates ``asset`` and ``asset_integrity``."""
    app.extensions["assets"] = load_assets()
    app.register_blueprint(blueprint)
    app.jinja_env.globals["asset"] = asset_url
    app.jinja_env.globals["asset_integrity"] = asset_integrity
