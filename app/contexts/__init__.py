"""The domain: plain functions, scope first. The only code that decides anything."""
