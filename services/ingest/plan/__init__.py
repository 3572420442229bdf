"""The tracking plan: what the events of each source have to look like, and what becomes of those that do not."""
