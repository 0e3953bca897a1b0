"""The domain: plain functions, scope first. Every decision is made here."""
