"""The model host: one process per database cluster that holds the models and answers every session."""
