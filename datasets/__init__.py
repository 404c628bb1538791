"""Graded knee sets, the split rule, checks, and the phantom."""
