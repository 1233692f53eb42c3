"""Where the bytes of segments are kept; their rows are always in the database."""
