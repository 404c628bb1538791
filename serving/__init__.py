"""Gets films in and results out. Nothing here reaches torch."""
