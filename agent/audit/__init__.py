"""What an auditor asks of a log, without the model and without torch."""
