"""One module for each revision; a later one never changes an earlier."""
