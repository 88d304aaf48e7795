"""The worker's part of streams: reads sources, writes batches through the database, delivers alarms."""
