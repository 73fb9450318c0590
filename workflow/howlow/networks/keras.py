"""Keras's defaults of batch normalization, which the paper's authors used."""

BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.01
"""PyTorch's momentum is one minus Keras's."""
