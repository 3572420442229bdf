"""The configuration folder: its files, what belongs into each, and what must hold between them."""

from services.configuration.folder import Config, load_config

__all__ = ["Config", "load_config"]
