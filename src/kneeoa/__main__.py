"""`python -m kneeoa` is the command `kneeoa`."""

from __future__ import annotations


def main() -> None:
    """Runs the command line; a worker, which imports its parent's main module anew, does not load it."""
    from kneeoa.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
