"""A client of ``eemu serve``: recommendations that can forget exactly."""

from .client import Client, EemuError
from .types import (
    Adapted,
    DryRun,
    HiddenItems,
    Interaction,
    NewItem,
    NewItems,
    Pick,
    PopularItem,
    PopularItems,
    Recommendation,
    Recommendations,
    RecommendRequest,
    Unlearning,
)

__all__ = [
    "Adapted",
    "Client",
    "DryRun",
    "EemuError",
    "HiddenItems",
    "Interaction",
    "NewItem",
    "NewItems",
    "Pick",
    "PopularItem",
    "PopularItems",
    "RecommendRequest",
    "Recommendation",
    "Recommendations",
    "Unlearning",
]
