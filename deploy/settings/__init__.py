"""The settings file: read it, check it, change it."""
