"""Steps as graphs of a device's launches: traced, fused, laid out, captured, launched as one."""
