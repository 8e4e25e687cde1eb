"""Search over decrypted text, in memory and in processes of its own."""
