"""The mathematics of the network: layers, losses, optimizers, augmentation, over any `xp`."""
