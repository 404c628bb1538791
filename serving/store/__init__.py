"""What the service remembers: films, results, corrections, events, in one SQL database, and the originals beside it."""
