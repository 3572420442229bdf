"""`python -m services` is `rapport`."""

from services.cli import main

if __name__ == "__main__":
    main()
