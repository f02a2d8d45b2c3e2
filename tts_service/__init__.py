"""The voice layer for a website's chat widget: a question in, the reply as text and as sound out."""
