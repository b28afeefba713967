"""Reports of violated content policies."""
