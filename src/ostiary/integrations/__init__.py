"""Ostiary inside other frameworks: one file for each. Imports no part of the server."""
