"""Baselines: small programs that do the same work without security, for comparison in the same run.

- `baseline`: starts the app without security, and measures it
- `baseline_app`: the Flask app without security; `baseline_server` serves it
- `copy_server`: copies pouches (sync bundles) without verifying them
"""
