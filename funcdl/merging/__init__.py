"""Several studies joined into one answer; their folders are only read."""
