"""Folders of .npy files with an index, written by `convert`."""
