#!/bin/sh
# Makes all three lock files anew from pyproject.toml (newest versions that it allows), for Linux and macOS, Python 3.11+.
#
# Left out on purpose: Django and asgiref (django-htmx is here for its copy of htmx alone), docopt (only num2words'
# own command uses it, and it has no wheel). Everything is therefore installed with --no-deps.
set -eu

cd "$(dirname -- "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/uv"
"$folder/uv/bin/pip" install --quiet --disable-pip-version-check uv

compile() {
    output=$1
    shift
    "$folder/uv/bin/uv" pip compile pyproject.toml "$@" --output-file "$folder/$output" --quiet --upgrade \
        --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
        --no-emit-package django --no-emit-package asgiref --no-emit-package docopt
}

compile requirements.lock
compile requirements-dev.lock --group dev --constraints "$folder/requirements.lock"
# The tools of ./paydesk audit live in an environment of their own: semgrep holds many packages back.
"$folder/uv/bin/uv" pip compile --group pyproject.toml:audit --output-file "$folder/requirements-audit.lock" --quiet \
    --upgrade --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links
mv "$folder/requirements.lock" "$folder/requirements-dev.lock" "$folder/requirements-audit.lock" .
# What Lighthouse and the HTML checker need, for ./paydesk audit where Node is there.
if command -v npm >/dev/null 2>&1; then
    (cd scripts/audit_tools && npm install --package-lock-only --ignore-scripts --no-audit --no-fund)
fi
