"""How numbers are said to people, the same in every printer."""

from __future__ import annotations


def percent(share: float) -> str:
    """A probability in [0, 1] as a percentage; never "100%" or "0%" for what is not certain."""
    if share > 0.99:
        return ">99%"
    return "<1%" if share < 0.01 else f"{share:.0%}"
