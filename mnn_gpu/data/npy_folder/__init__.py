"""Folders of .npy files with an index, which data are converted to."""
