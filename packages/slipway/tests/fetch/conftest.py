from __future__ import annotations

from tests.deploy.conftest import make_place, place, shared_place

__all__ = ["make_place", "place", "shared_place"]
