"""The source's interface, and the door for sync, as onion services of Tor."""
