"""How Markdown is read: what its lines and marks mean to a listener, where a growing text may be cut. Pure.

`speech/spoken.py` is the face of it; docs/speech-text.md has the rules.
"""
