"""`rapport demo`: real purchases and one told story through the whole platform, and the figures compared."""
