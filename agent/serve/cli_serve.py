"""The command ``veridical serve``: an agent over HTTP and WebSocket, for systems in other languages."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError

if TYPE_CHECKING:
    from .settings import ServeSettings

__all__ = ["serve"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--system", "name", default="courier", show_default=True, metavar="NAME", help="The system that decides.")
@click.option("--policy", type=_FILE, metavar="FILE.toml", help="When decisions are explained, and what is done then.")
@click.option(
    "--log",
    "log_url",
    metavar="URL",
    help="The log's database, such as postgresql://user@host/name; unless said, SQLite's in VERIDICAL_HOME.",
)
@click.option("--no-log", is_flag=True, help="Write no log.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label of every record; may be repeated."
)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", default=8600, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option(
    "--token-file",
    type=_FILE,
    metavar="FILE",
    help="Holds the token; unless said, VERIDICAL_TOKEN, or one that is made and printed once to stderr.",
)
@click.option(
    "--operator-token-file", type=_FILE, metavar="FILE", help="Holds the token without which nobody overrides."
)
@click.option(
    "--max-body",
    default=16_777_216,
    show_default=True,
    type=click.IntRange(1024),
    metavar="BYTES",
    help="Of a request.",
)
@click.option(
    "--timeout-s", default=120.0, show_default=True, type=click.FloatRange(1, 3600), help="To explain in, at most."
)
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name to be asked under; may be repeated.")
@click.option(
    "--allow-origin", "origins", multiple=True, metavar="URL", help="A web page that may ask; may be repeated."
)
@click.option("--tls-cert", type=_FILE, metavar="FILE.pem", help="A certificate, to be asked over https.")
@click.option("--tls-key", type=_FILE, metavar="FILE.pem", help="The certificate's key.")
@click.option("--openapi", is_flag=True, help="Print the OpenAPI document, and leave.")
def serve(openapi: bool, **options: Any) -> None:
    """Serve decisions and explanations over HTTP and WebSocket (extra serve).

    It stops at SIGTERM or Ctrl-C: what is under way ends, and the log is sealed. docs/service.md tells the interface.
    """
    _check_installed()
    if openapi:
        click.echo(json.dumps(_document(), indent=2))
        return
    with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints, it is no answer
        _serve(options)


def _serve(options: dict[str, Any]) -> None:
    from .running import listen, run

    settings, place, made = _settings(options)
    with listen(place) as listening:  # first: a system takes seconds to load, and a port may be taken
        if made:
            _say(f"token, made for this run and shown once: {settings.token}")
        if place.certificate is None and not _loopback(place.host):
            _say(f"{place.host} is served without TLS: whoever is on the way can read the token; give --tls-cert")
        agent, log = _agent(options)
        try:
            run(agent, settings, place, listening, lambda url: _say(f"{options['name']} at {url}; Ctrl-C ends it"))
        finally:
            agent.close(settings.close_s)  # where the service never came up; else it is closed already
            if log is not None:
                log.close()
    _say("stopped; the log is sealed" if log is not None else "stopped")


def _settings(options: dict[str, Any]) -> tuple[ServeSettings, Any, bool]:
    """Return the settings, the place, and whether the token was made just now; before anything heavy is loaded."""
    from .running import Place
    from .settings import Bounds, ServeSettings
    from .token import find_token

    if (options["tls_cert"] is None) != (options["tls_key"] is None):
        raise InputError("--tls-cert and --tls-key: one alone is of no use; give both, or none")
    token, made = find_token(options["token_file"])
    operator = options["operator_token_file"]
    host = options["host"]
    # Of what only this machine can reach, another name in a request is the sign of DNS rebinding.
    own = ("localhost", "127.0.0.1", "[::1]") if _loopback(host) else ()
    settings = ServeSettings(
        token=token,
        operator_token=None if operator is None else find_token(operator)[0],
        bounds=Bounds(body=options["max_body"]),
        timeout_s=options["timeout_s"],
        hosts=tuple(dict.fromkeys((*own, *options["hosts"]))) if own or options["hosts"] else (),
        origins=tuple(options["origins"]),
    )
    return settings, Place(host, options["port"], options["tls_cert"], options["tls_key"]), made


def _agent(options: dict[str, Any]) -> tuple[Any, Any]:
    """Make the agent, and the log that it writes; the small things first, for a system takes seconds."""
    from ..cli_log_options import labels_of

    if options["no_log"] and options["log_url"]:
        raise InputError("--no-log and --log: nothing is written into the log; give one of the two")
    labels = labels_of(options["labels"])
    path = options["policy"]
    if path is not None:
        _policy(path)
    log = None
    if not options["no_log"]:
        from ..log.log import Log

        log = Log.open(url=options["log_url"])
    try:
        from ..loop.agent import ExplanationAgent
        from ..systems import load_system

        system = load_system(options["name"])
        policy = None if path is None else _policy(path, system.actions)
        return ExplanationAgent(system, policy, log=log, make_system=options["name"], labels=labels), log
    except BaseException:
        if log is not None:
            log.close()
        raise


def _policy(path: Path, actions: Sequence[str] | None = None) -> Any:
    from ..loop.policy_file import read_policy

    return read_policy(path, actions)


def _document() -> dict[str, Any]:
    """Return the OpenAPI document, for which no system is needed."""
    from .app import make_app
    from .nobody import Nobody
    from .settings import ServeSettings

    return make_app(Nobody(), ServeSettings(token="x" * 16)).openapi()


def _check_installed() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("fastapi", "uvicorn", "websockets") if find_spec(name) is None]
    if missing:
        raise InputError(f"veridical serve: {', '.join(missing)} is not installed; pip install 'veridical[serve]'")


def _loopback(host: str) -> bool:
    from .running import is_loopback

    return is_loopback(host)


def _say(sentence: str) -> None:
    click.echo(f"veridical serve: {sentence}", err=True)
