"""The condition tree: written once in YAML, compiled to closures for the stream."""
