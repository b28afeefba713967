"""Tests: a package of its own, or one of the same name that a library installs would hide it."""
