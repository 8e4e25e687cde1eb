"""The unlocked desk in memory: keys, trusted state, verification, automatic lock."""
