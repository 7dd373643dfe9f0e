"""The study of accuracy: runs of the recipes and their variants, and the report on them."""
