"""What makes the images and the handwriting that the repository contains."""
