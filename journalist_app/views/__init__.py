"""What each page of the adviser's interface does with a request."""
