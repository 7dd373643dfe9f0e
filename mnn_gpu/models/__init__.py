"""Models: their file format, prediction and evaluation; and the model that comes with the package."""
