"""The `steunpunt` command, one module for each group of commands."""
