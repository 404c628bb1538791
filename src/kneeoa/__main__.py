"""`python -m kneeoa` is the command `kneeoa`."""

from kneeoa.cli import main

if __name__ == "__main__":
    main()
