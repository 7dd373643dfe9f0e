"""Models: file format, prediction, evaluation, and the model that is included in the package."""
