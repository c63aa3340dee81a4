"""An automation whose step talks a lot, so that its logs can be looked at."""
