"""Sync bundles (pouches): file format, items, pairing files."""
