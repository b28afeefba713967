"""Coming back from a provider."""
