"""Measures this server against its own limits: ratios, interleaved in one run."""
