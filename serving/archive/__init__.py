"""Scores stored films by the thousand and the hundred million, restartably, into Parquet."""
