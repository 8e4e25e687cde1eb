"""Files on their way in and out: metadata, hidden parts, presealed files, export packages."""
