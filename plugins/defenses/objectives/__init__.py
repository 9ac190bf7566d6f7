"""Built-in training objectives."""
