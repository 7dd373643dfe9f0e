"""The measurements behind the tables of the documentation."""
