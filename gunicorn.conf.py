"""gunicorn's settings, picked up from the working directory. Its command line overrides all of this."""

import gc
import json
import os
import secrets
import tempfile
import threading
import time

from gevent import monkey
from gunicorn import util

worker_class = os.environ.get("WORKER_CLASS", "gevent")
if worker_class == "gevent":
    # Before anything of the service is imported: patched after `requests`, every TLS call ends in a
    # RecursionError (ecosystem 2, "Traps").
    monkey.patch_all()

from prometheus_client import multiprocess  # noqa: E402 - after monkey.patch_all

_EX_CONFIG = 78

# On a developer's machine for nobody else; in production for the platform's router or the proxy before us.
# PORT alone opens nothing.
_production = os.environ.get("ENV", "").strip().lower() == "production"
_host = "0.0.0.0" if _production else "127.0.0.1"  # noqa: S104
bind = f"{_host}:{os.environ.get('PORT') or 8000}"

# One gevent worker serves about 300 turns a second (ecosystem 2). More, by WEB_CONCURRENCY or --workers, want
# the shared memory of REDIS_URL: without it each worker would forget what the others were told, and limits
# would count for each of them anew.
_remembers_together = bool(os.environ.get("REDIS_URL", "").strip())
workers = int(os.environ.get("WEB_CONCURRENCY") or 1)
worker_connections = 1000
# Only for WORKER_CLASS=gthread: a thread for every turn in flight. 256 carry 150 turns a second of 1.3 s
# (ecosystem 2). Threads are held by slow callers, so such a server needs a buffering proxy (faults L10).
threads = 256

# A worker that has not come round to its loop for so long is replaced; turns have their own limits.
timeout = 60
graceful_timeout = 25  # below the 30 s that platforms wait before they kill
# Then voices still under way are stopped and their turns answered with the text (faults 3c-30).
_hush_after_s = 8
keepalive = 10  # under gevent also the time a request's head may take to arrive (faults T16)

# Row 54 of faults 5: longer gets 414 or 431.
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190

# No caller's word for a scheme, a path or an address counts here: the service reads X-Forwarded-For itself,
# from as many hops as TRUSTED_PROXIES vouches for. With nothing to believe, nobody needs to be looked up in
# a list of those who may say it, which took 60 us of each request.
secure_scheme_headers = {}
forwarder_headers = ""
forwarded_allow_ips = "*"

control_socket_disable = True  # one path in the home directory for all of a user's servers (faults 1)
accesslog = None  # the service writes its own line: no query, no address
errorlog = "-"


if workers > 1 and _remembers_together:
    # The workers' counts are added up in files; those of an earlier start must not count (faults 5-112).
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="tts-metrics-"))


def on_starting(server):
    # A worker that refuses its settings exits with 78: end with it, instead of starting it for ever.
    server.APP_LOAD_ERROR = _EX_CONFIG


def nworkers_changed(server, new_value, _old_value):
    # At the start, at a reload, and at SIGTTIN.
    if new_value > 1 and not _remembers_together:
        server.log.warning("One worker instead of %d: several need REDIS_URL.", new_value)
        server.cfg.set("workers", 1)
        server.num_workers = 1


def post_worker_init(worker):
    util.write_error = _refuse
    # What is loaded by now stays: the collector need not walk it again and again between turns.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    threading.Thread(target=_hush_in_time, args=(worker,), name="hush", daemon=True).start()


def child_exit(server, worker):
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)


def worker_exit(server, worker):
    running = _running(worker)
    if running is not None:
        running.close()


def _hush_in_time(worker):
    # Asks instead of being told: a signal handler may run in gevent's hub, where nothing may wait.
    while worker.alive:
        time.sleep(1)
    time.sleep(_hush_after_s)
    running = _running(worker)
    if running is not None:
        running.hush()


def _running(worker):
    """What create_app put there; None where a worker never came so far."""
    return getattr(getattr(worker, "wsgi", None), "extensions", {}).get("tts_service")


def _refuse(sock, status, reason, _detail):
    """What gunicorn refuses before the service sees it (faults 5, rows 15 and 54), in our own shape.

    gunicorn writes HTML here, quotes the request in it, and offers no other place to change that.
    """
    request_id = secrets.token_hex(8)
    codes = {413: "body_too_large", 500: "internal"}
    error = {
        "code": codes.get(status, "invalid_request"),
        "message": f"The request could not be served: {reason}.",
        "request_id": request_id,
    }
    body = json.dumps({"error": error})
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-ID: {request_id}\r\n"
        "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n\r\n"
    )
    util.write_nonblock(sock, (head + body).encode("ascii"))
    # The caller may still be sending: without this, closing would reset the connection under the answer.
    util.close_graceful(sock)
