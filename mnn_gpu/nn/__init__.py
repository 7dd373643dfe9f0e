"""The mathematics of the network: layers, losses, optimizers and augmentation, over any array namespace."""
