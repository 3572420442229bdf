"""The public topics over HTTP, as lines of JSON: a snapshot, then what is new. Guide: docs/streams.md."""
