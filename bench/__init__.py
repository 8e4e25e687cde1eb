"""Measurements of speed and memory. Each figure has a baseline from the same run on the same machine.

`python -m bench.run` measures everything. The measurements are in the modules `*_measures`. Other modules run
servers (`desk_servers`, `baseline`, `copy_server`, `tor_network`), fill a store (`fill`), act as people
(`source`, `adviser`), measure time and memory (`timing`, `memory`), and print the results (`report`).
"""
