"""Layer-wise relevance propagation: its rules, and the ledger that checks what was conserved."""
