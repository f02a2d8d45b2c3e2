"""How the schema came to be, one step a file. Each step only adds what the release before it can ignore."""
