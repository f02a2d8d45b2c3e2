"""One turn of conversation: a question in, the reply as a sequence of events."""
