"""What is kept: typed rows of ciphertext, and the questions that may be asked of them."""
