"""`rapport`: the command line."""

from services.commands import interruption


def main() -> None:
    """Run the command line."""
    interruption.ends_at_once()
    from services.commands.application import app  # everything else is loaded when Ctrl-C is in good hands

    app()
