"""Methods that need scores alone: evidence units are taken away, and what the score does is measured."""
