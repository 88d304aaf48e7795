"""Models: what the registry says of one, where its files are, how it is loaded, and the cache that holds it."""

import os

# onnxruntime 1.29 and later tells its makers of every model that it loads, unless this is set before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
