"""`rapport import`: files through the same door as all other events."""
