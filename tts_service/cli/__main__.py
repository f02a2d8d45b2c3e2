"""`python -m tts_service.cli`, for places where the console script is not on the path."""

from tts_service.cli import main

main()
