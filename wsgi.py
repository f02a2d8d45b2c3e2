"""What gunicorn serves: `gunicorn wsgi:app`, from this directory, with gunicorn.conf.py beside it."""

import sys

from tts_service.app import create_app
from tts_service.errors import DatabaseUnavailable
from tts_service.settings import SettingsError

EX_CONFIG = 78  # sysexits.h; gunicorn.conf.py lets it end the whole server (faults 5-111)

try:
    app = create_app()
except SettingsError as error:
    sys.stderr.write("".join(f"tts-service: {problem}\n" for problem in error.problems))
    sys.exit(EX_CONFIG)
except DatabaseUnavailable as error:
    sys.stderr.write(f"tts-service: {error.message}\n")
    sys.exit(EX_CONFIG)
