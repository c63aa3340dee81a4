"""Model serving: endpoints resolve to model versions, which runtimes execute."""
