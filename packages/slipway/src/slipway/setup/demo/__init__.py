"""`slipway demo`: run the whole loop on this machine, in a copy of the repository.

Each step runs the commands that a person or a workflow would run, and requires the exit code
that the scenario expects: a bad change that passes fails the demo.
"""

from slipway.setup.demo.steps import demo

__all__ = ["demo"]
