"""Shadow mode: a second model answers logged requests; its answers are never returned.

The image of the service runs `answer` and `follow`, which need no package that it does not have.
"""
