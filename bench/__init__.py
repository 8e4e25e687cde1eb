"""Measurements of speed and memory. Each figure has a baseline from the same run on the same machine.

`python -m bench.run` measures everything. The measurements are in `bench.measures`, and the programs
to compare with in `bench.baselines`. Other modules run servers (`desk_servers`, `tor_network`), fill a store
(`fill`), make files (`ordinary_files`), act as people (`source`, `adviser`), measure time and memory
(`timing`, `memory`), and print the results (`report`).
"""
