"""What an NVIDIA GPU must show: the checks of `scripts/gpu-check`, their record and its page."""
