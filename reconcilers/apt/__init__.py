"""apt, to think about: what git wants of it, what it has on offer, and which version is the best of these."""
