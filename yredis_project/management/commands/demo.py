"""`manage.py demo`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from yredis_project.demo import Demo, say
from yredis_project.preflight import DemoError
from yredis_project.servers import ASGI_COMMANDS


class Command(BaseCommand):
    help = "Run the whole demo (an embedded Redis and web server processes) until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="of the first web server (default: 8000)")
        parser.add_argument("--servers", type=int, default=1, help="web server processes, on port, port+1, ...")
        parser.add_argument("--asgi", choices=sorted(ASGI_COMMANDS), default="daphne")
        parser.add_argument("--redis", metavar="URL", help="a running Redis instead of an embedded one")

    def handle(self, *, port: int, servers: int, asgi: str, redis: str | None, **options: Any) -> None:
        try:
            Demo(port=port, servers=servers, asgi=asgi, redis=redis, say=say).run()
        except DemoError as error:
            raise CommandError(str(error)) from error
