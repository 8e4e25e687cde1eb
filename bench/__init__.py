"""Measurements of speed and memory. Each figure has a baseline from the same run on the same machine.

`python -m bench.run` measures everything.

- `measures`: the measurements
- `baselines`: the programs to compare with
- `databases`: a PostgreSQL server, and desks that use it
- `run`: the command that measures everything
- `bench_setup`: servers, baseline and time limit of one measurement
- `desk_servers`: a desk with running servers on this machine
- `tor_network`: a private Tor network on this machine
- `processes`: server processes on free ports
- `fill`: fills a store with mailboxes
- `ordinary_files`: makes ten ordinary files
- `source`: acts as a source
- `adviser`: acts as an adviser
- `browser`: a small HTTP client
- `forms`: finds and fills in the forms of a page
- `chromium`: starts a real browser
- `timing`: measures time
- `memory`: measures memory and processor time
- `report`: prints the results
"""
