"""The processes of a distributed platform: what `rapport worker NAME` runs."""
