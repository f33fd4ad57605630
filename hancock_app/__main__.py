"""Run Hancock on a development server: `python -m hancock_app`. Use gunicorn in production."""

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
    """Serve until interrupted; returns 2 if an option or a setting is invalid."""
    options = _parser(environ).parse_args(argv)
    try:
        settings = Settings.from_env(environ)
        logging.config.dictConfig(logs.config(settings.log_level))
        app = create_app(settings)
        server = make_server(options.host, options.port, app, threaded=True)
    except SettingsError as error:
        print(f"hancock: {error}", file=sys.stderr)
        return 2
    # Werkzeug logs every request, which the access log does as well if it is enabled.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    # A service manager's SIGTERM stops the server in the same way as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Hancock is listening on http://{options.host}:{server.server_port}", flush=True)
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
    # argparse parses a string default like an option: invalid variables are reported the same way.
    port = environ.get("HANCOCK_PORT") or "5000"
    parser.add_argument("--port", type=int, default=port, help="0 for any free port")
    return parser


if __name__ == "__main__":
    sys.exit(main())
