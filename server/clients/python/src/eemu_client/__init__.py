"""A client of ``eemu serve``: recommendations that can forget exactly."""

from .client import Client, EemuError
from .types import (
    Adapted,
    BulkInteraction,
    DryRun,
    HiddenItems,
    Interaction,
    ItemRow,
    LineAnswer,
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
    "BulkInteraction",
    "Client",
    "DryRun",
    "EemuError",
    "HiddenItems",
    "Interaction",
    "ItemRow",
    "LineAnswer",
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
