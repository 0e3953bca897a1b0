"""The live door: the feed as server-sent events."""
