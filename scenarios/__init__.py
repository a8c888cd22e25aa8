"""Systems with known causes, on which every method here is measured."""
