"""Makes images of the documentation."""
