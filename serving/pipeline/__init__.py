"""The durable road of a film through the service: received, graded, built into results, delivered."""
