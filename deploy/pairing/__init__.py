"""Pairing of a server with its workstations."""
