"""Fast execution of a traced step: memory planned once, then calls replayed or a CUDA graph."""
