"""Sync between the server and its workstations, as operators and timers start it."""
