"""From a radiograph to grades: one road, shared unchanged by training and serving."""
