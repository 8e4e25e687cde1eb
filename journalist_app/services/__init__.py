"""What an adviser does with the desk. Plain Python, no Flask: every use case is a module."""
