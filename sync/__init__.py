"""What carries new things between two stores: packing them, taking them in, and the ways between."""
