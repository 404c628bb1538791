"""The schema of training configurations, and the shipped YAML files."""
