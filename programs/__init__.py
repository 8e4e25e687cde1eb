"""External programs, which run with limits and, where the machine allows, in a sandbox.

Imports none of our other packages.

- `errors`: the exceptions
- `runner`: one run of a program, with its limits, and the end of all runs
- `sandbox`: the bubblewrap sandbox
"""
