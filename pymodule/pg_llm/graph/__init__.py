"""Knowledge graphs without a database: names, paths, questions. Standard library only."""
