"""Executing a traced step fast: memory planned once, calls replayed, or a CUDA graph."""
