"""Knowledge graphs: construction from tables and texts, entity resolution, search, traversal, reasoning and export."""
