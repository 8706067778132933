"""The command line."""

from spexapi.cli.commands import main

__all__ = ["main"]
