"""The command line: one module for each group of commands.

A command reads its options, calls one function and prints the result. The imports are inside the
commands, so that a command starts without the libraries of the others.
"""

from slipway.cli.app import app, command_name, main, run

__all__ = ["app", "command_name", "main", "run"]
