"""What we measure and how: every figure stands beside a baseline from the same run, on the same machine."""
