"""One training step as pure functions of arrays: microbatches, gradients and their sums."""
