"""The worker: an ordinary client that does the work that waits in the background, with the rights of its role."""
