"""Signing in by a link in a letter, or by the code beside it."""
