"""`rapport rejected` and what is below it."""
