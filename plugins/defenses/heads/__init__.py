"""Built-in heads: how the model predicts."""
