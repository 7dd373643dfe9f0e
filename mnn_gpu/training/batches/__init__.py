"""Which samples a step takes, and bringing them to the device."""
