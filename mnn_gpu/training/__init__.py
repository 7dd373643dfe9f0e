"""Training: the configuration, the loop, its history, hooks and stopping rules."""
