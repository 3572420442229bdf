"""The version, as the platform hears it in `context.library`."""

VERSION = "0.1.0"
