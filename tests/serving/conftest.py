"""The way for these modules to find each other, and in spawned processes too."""

from __future__ import annotations

import sys
from pathlib import Path

# Last, so that the repository's folders shadow nobody's packages.
sys.path.append(str(Path(__file__).parents[2]))
