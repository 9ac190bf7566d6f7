"""Fitting: batches, the training loop, the fitted classifier, checkpoints, and the composition of a defense."""
