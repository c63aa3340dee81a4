"""`interlock metrics …`: the tenant's figures."""

from __future__ import annotations

import typer
from prometheus_client.parser import text_string_to_metric_families

from interlock.cli.client import Client
from interlock.cli.options import Data, Json, settings_for
from interlock.cli.output import print_json

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Metrics: the tenant's figures, as Prometheus reads them."
)


@app.callback()
def group() -> None:
    """Keep `show` a command of its own."""


@app.command(epilog="Example: interlock metrics show")
def show(data: Data = None, as_json: Json = False) -> None:
    """Print what `GET /v1/metrics` gives; with --json, a list of samples."""
    text = Client(settings_for(data)).text("/v1/metrics")
    if not as_json:
        typer.echo(text, nl=False)
        return
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    print_json([{"name": s.name, "labels": dict(s.labels), "value": s.value} for s in samples])
