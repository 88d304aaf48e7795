"""A row of llm.recommender, for tests without a server."""

from __future__ import annotations

import json
from typing import Any

OPTIONS = {
    "dimensions": 8,
    "layers": 1,
    "heads": 1,
    "max_length": 5,
    "dropout": 0.0,
    "learning_rate": 0.01,
    "epochs": 1,
    "patience": 1,
    "batch_size": 2,
    "seed": 0,
    "share": 1.0,
    "decay": 0.5,
    "backward": 1.0,
    "lift": 0.0,
    "fresh": 1,
    "items": 3,
}
ROW: dict[str, Any] = {
    "name": "films",
    "events": 20000,
    "query": None,
    "search_path": None,
    "user_column": "customer",
    "item_column": "film",
    "time_column": "at",
    "weight_column": None,
    "items": 20001,
    "item_key": "id",
    "item_text": ["title"],
    "version": 4,
    "options": json.dumps(OPTIONS),
    "catalogue_oid": 20002,
    "author": "ann",
    "catalogue": "public.recommender_films",
}
