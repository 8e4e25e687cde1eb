"""Use cases of a source, without Flask."""
