"""Seams that the field already uses: MCAP recordings, LeRobot's policies, Gymnasium's environments."""
