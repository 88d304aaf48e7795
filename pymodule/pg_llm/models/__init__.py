"""Models: specification, file sources, loading, engines, and the cache of loaded models."""

import os

# onnxruntime 1.29 and later sends telemetry about every model that it loads, unless this is set before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
