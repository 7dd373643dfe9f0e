"""Files: writing them atomically, locks, safetensors, and checking what a path leads to."""
