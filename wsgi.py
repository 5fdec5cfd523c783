"""Entry point for gunicorn and other WSGI servers: `gunicorn wsgi:app`."""

from webapp import processes
from webapp.app import create_app

app = create_app(for_web=True)
processes.settle()
