"""Processes that decode and grade, so that no film can take the service down with it."""
