"""Checks that take longer than tests: faults, fuzzing, mutation, memory, ranks."""
