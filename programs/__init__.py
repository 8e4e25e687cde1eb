"""External programs, which run with limits and, where the machine allows, in a sandbox.

Imports none of our other packages.

- `sandbox`: the bubblewrap sandbox, and one run of a program with limits on time, memory and output
- `errors`: the exceptions
"""
