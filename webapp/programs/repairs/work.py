"""What this program does by itself."""

from __future__ import annotations

from webapp.programs.repairs import books as books
