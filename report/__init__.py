"""Yearly report: counts of mailboxes, rounded and hidden so that no one can be recognised.

Imports none of our other packages. Its input is counts, and its output is files.
docs/report.md specifies and proves the disclosure control (the rules for hiding and rounding counts).

- `counts`: the exact counts of a year, computed from anonymous facts about deleted mailboxes
- `disclosure`: disclosure control, which decides which counts may be shown and rounds them
- `document`: texts and tables of one report in one language
- `errors`: the exceptions of this package
- `html`, `pdf`, `table_csv`: the output formats
- `qr_code`: a QR code as an SVG path
- `svg`: the layout of the bar charts
- `tables`: the tables of a report and the lines of each table
"""
