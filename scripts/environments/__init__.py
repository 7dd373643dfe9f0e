"""The virtual environments that setup.py makes. Only the standard library is imported here."""
