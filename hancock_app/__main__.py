"""`python -m hancock_app`: serve on this machine, for trying it out; gunicorn is for operating."""

from __future__ import annotations

import argparse
import logging
import logging.config
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from werkzeug.serving import make_server

from hancock_app import Settings, SettingsError, create_app
from hancock_app.observability import logs


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Serve until interrupted; return 2 when the flags or the environment are wrong."""
    chosen = _parser(environ).parse_args(argv)
    try:
        settings = Settings.from_env(environ)
        logging.config.dictConfig(logs.config(settings.log_level))
        app = create_app(settings)
        server = make_server(chosen.host, chosen.port, app, threaded=True)
    except SettingsError as error:
        print(f"hancock: {error}", file=sys.stderr)
        return 2
    # The development server writes a line per request, which is noise and takes time.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    # Ended by a service manager or by a keyboard, it ends in the same way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Hancock listens on http://{chosen.host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hancock_app", description=__doc__)
    parser.add_argument("--host", default=environ.get("HANCOCK_HOST") or "127.0.0.1")
    # Text as a default is read like a flag, so that a bad variable gets the same message.
    port = environ.get("HANCOCK_PORT") or "5000"
    parser.add_argument("--port", type=int, default=port, help="0 takes any free port")
    return parser


if __name__ == "__main__":
    sys.exit(main())
