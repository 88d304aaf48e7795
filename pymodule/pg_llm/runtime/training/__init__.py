"""Trainings in processes of their own: the queue, the process, its reports, and the split of its rows."""
