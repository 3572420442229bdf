"""The wire: what travels between collectors, stages, stores and other systems."""
