"""The OpenAPI document. What the checks and the errors know is read from them, so that it cannot drift."""
