"""From the parts of a question, with one meaning chosen for each mention, to the query; and how far-fetched that is."""
