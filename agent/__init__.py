"""The loop around a system: decisions explained and judged, records, the audit log, reports, the command line."""
