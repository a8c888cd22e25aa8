"""Second order: Hessian products, their eigenvalues, and smooth stand-ins for ReLU and fused attention."""
