"""Models: their file format, prediction, evaluation, and the model that the package contains."""
