"""The command line: one command for each step of the loop, in the groups of its help.

A command reads its options, calls one function of the machine and prints what that returns. The
imports are inside the commands, so that a command starts without the libraries of the others.
"""

from slipway.cli.app import answer, app, main, named

__all__ = ["answer", "app", "main", "named"]
