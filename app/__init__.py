"""The server where AI coding agents keep their sessions."""

__version__ = "0.1.0"
