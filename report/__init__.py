"""Yearly report: counts of mailboxes, shown so that no one can be recognised.

This package is pure: it imports none of our other folders. Counts are the input, files are the output.
docs/report.md specifies and proves the disclosure control.

- `counts`: from tallies to the exact counts of a year
- `disclosure`: disclosure control, which decides which counts may be shown and rounds them
- `document`: texts and tables of one report in one language
- `errors`: the refusals of this package
- `html`, `pdf`, `table_csv`: the output formats
- `svg`: the layout of the bar charts
- `tables`: the tables of a report and their lines
"""
