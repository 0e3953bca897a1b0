"""The command line. Exit codes: 0 ok, 1 the server said no, 2 usage or environment."""
