"""Calls into torch, followed and answered: activations, attention, recurrent cells."""
