"""The realtime WebSocket of the sandbox (protocols 1)."""
