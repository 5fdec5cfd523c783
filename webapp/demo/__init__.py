"""The demo: an organisation with six months of work, and the supervisor that runs everything at once."""

from webapp.demo.run import run
from webapp.demo.seed import seed

__all__ = ["run", "seed"]
