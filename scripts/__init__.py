"""Set-up, benchmarks and checks; the shell scripts here are what one runs."""
