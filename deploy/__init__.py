"""How the house is set up and started: the `steunpunt` command, gunicorn, configuration."""
