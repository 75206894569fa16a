"""Readers of the public checkpoints' files; none needs JAX, Flax or TensorFlow."""
