"""Explanation: which words of a text a model's answer rests on, and what change of them would turn it."""
