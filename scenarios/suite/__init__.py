"""Scenario files: what a system must do, and for which reason; read, composed, varied, disturbed and tried."""
