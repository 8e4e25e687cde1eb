"""What both Flask apps need to speak HTTP and HTML: headers, origin, forms on the wire, padding."""
