"""Text generation, JSON by a schema, and information extraction."""
