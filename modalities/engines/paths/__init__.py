"""Integrated and expected gradients: the quadrature along a path, on tensors and as methods."""
