"""Built-in inference wrappers: what happens around the model when it predicts."""
