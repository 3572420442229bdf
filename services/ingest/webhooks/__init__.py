"""Collectors of other companies' webhooks: each provider is one file, `receive.py` is what they share."""
