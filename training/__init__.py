"""Fits networks on graded knees and judges them; `train` is the one to read first."""
