"""What the platform can do on this machine: `make bench` (docs/benchmarks.md says what is measured, and how)."""
