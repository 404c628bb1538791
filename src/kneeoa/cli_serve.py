"""The service's commands: start it, look at what waits, grade again."""

from __future__ import annotations
