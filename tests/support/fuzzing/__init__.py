"""Broken files for the readers: seeds, mutations, and oracles that read them otherwise."""
