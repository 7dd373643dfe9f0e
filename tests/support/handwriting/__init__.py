"""Synthetic handwriting: digits drawn from strokes, and images of them."""
