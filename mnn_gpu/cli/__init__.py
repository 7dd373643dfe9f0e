"""The command line: `main.py` dispatches, a file a subcommand, no mathematics."""
