"""Helpers that are independent of neural networks, one subject per file."""
