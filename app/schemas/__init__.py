"""What comes in, what goes out and what is embedded in rows, as msgspec structs."""
