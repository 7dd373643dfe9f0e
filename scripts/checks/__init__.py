"""Checks that take longer than tests: killed runs, ranks that fail, memory, files of users."""
