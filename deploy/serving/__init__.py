"""Processes that serve the two interfaces and the sync endpoint."""
