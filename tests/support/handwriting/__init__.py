"""Handwriting that is made, not found: digits of drawn strokes, and pictures of them."""
