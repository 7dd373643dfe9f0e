"""Helpers that know nothing of networks, one subject a file."""
