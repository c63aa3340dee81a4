"""What the product stands on: settings, the database, the servers that `interlock up` starts, and outgoing HTTP."""
