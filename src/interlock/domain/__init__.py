"""The vocabulary as values: pure, standard library and pydantic only."""
