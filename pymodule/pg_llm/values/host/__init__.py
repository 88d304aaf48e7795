"""Parsers of values, where the libraries of languages and countries are."""
