"""The measurements behind the documentation's tables."""
