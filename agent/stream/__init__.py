"""Streams of the senses: what arrives with a timestamp, and the bounded window that a decision is made of."""
