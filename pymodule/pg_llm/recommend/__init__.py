"""Recommenders: fitted on events, and asked what a user wants next."""
