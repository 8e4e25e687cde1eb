"""The yearly report: what was put before the desk, so counted that nobody can be found back in it.

Pure: it knows neither keys nor store nor web pages; counts come in, files go out. docs/report.md says how.
"""
