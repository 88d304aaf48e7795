"""Which names are of one thing: their words, what is said of them, and all members of a group together."""
