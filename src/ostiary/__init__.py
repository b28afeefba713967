"""Ostiary: authentication and identity for Python teams."""
