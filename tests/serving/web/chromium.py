"""Chromium of the machine, as tests and pictures drive it; none is downloaded."""

from __future__ import annotations

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
