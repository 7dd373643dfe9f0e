"""CUDA graphs of a step: traced, fused to few kernels, memory planned, captured, replayed."""
