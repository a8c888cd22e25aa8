"""The loop around a system: its policy, oversight, triggers, the worker that explains, the journal of what was done."""
