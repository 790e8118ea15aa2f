"""The parts of the workflows in `.github/workflows` that call GitHub's API.

`placeholder` and its imports need only the standard library: it runs before the setup action.
"""
