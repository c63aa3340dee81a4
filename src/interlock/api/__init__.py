"""The HTTP API (v1): one router a resource; each route parses, asks the policy, calls, and maps the result."""
