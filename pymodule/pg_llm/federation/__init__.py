"""Federated training: peers give gradients of their own rows under agreements, and a coordinator learns from these."""
