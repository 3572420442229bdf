"""What a cluster can do on this machine: `make bench-distributed` (docs/benchmarks.md says what is measured)."""
