"""`paydesk simulator`: the payment providers on this machine, until Ctrl-C."""

from __future__ import annotations

import json

import click

from webapp.simulator.faults import NoSuchFault, several
from webapp.simulator.server import Server
from webapp.simulator.settings import CLIENTS, Options, Settings


@click.command(
    "simulator", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8010, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on."
)
@click.option("--database", default=":memory:", show_default=True, help="SQLite file of its books.")
@click.option("--seed", default=0, show_default=True, help="What is random is the same for the same seed.")
@click.option("--faults", default="", help="Faults that come at random: F1,F3,… or all.")
@click.option(
    "--rate",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of calls that they strike.",
)
@click.option(
    "--settle-seconds",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Until a transfer is settled.",
)
@click.option(
    "--others", default="fail", show_default=True, type=click.Choice(["fail", "succeed"]),
    help="What becomes of accounts outside the table of test accounts.",
)  # fmt: skip
@click.option("--fast", is_flag=True, help="For benchmarks: no delays, no webhooks, every account succeeds.")
@click.option(
    "--threads", default=32, show_default=True, type=click.IntRange(1, 256), help="Requests at once."
)
@click.option("--json", "as_json", is_flag=True, help="Print addresses and keys as an object.")
def main(
    host: str,
    port: int,
    database: str,
    seed: int,
    faults: str,
    rate: float,
    settle_seconds: float,
    others: str,
    fast: bool,
    threads: int,
    as_json: bool,
) -> None:
    """Simulate Cashfree, PhonePe and Zoho Books, with every fault that real networks have. No money moves."""
    try:
        chosen = several(faults) if faults else ()
    except NoSuchFault as problem:
        raise click.UsageError(str(problem)) from None
    options = Options(settle_seconds=settle_seconds, credit_seconds=settle_seconds)
    options.others = "succeed" if others == "succeed" or fast else "fail"
    if fast:
        options.settle_seconds = options.credit_seconds = 0.0
        options.zoho_requests_a_minute = options.zoho_requests_a_day = 0
        options.sends_webhooks = False
    settings = Settings(database, seed, chosen, rate, options=options)
    _announce(f"http://{host}:{port}", as_json=as_json)
    Server(settings, host, port, threads).run()


def addresses(url: str) -> dict[str, dict[str, str]]:
    """Where the providers are, under the names that an organisation's account has for them."""
    return {
        "cashfree": {
            "payouts_url": f"{url}/cashfree/payout",
            "balance_url": f"{url}/cashfree",
            "verification_url": f"{url}/cashfree/verification",
        },
        "phonepe": {"oauth_url": f"{url}/phonepe", "payments_url": f"{url}/phonepe"},
        "zoho": {"accounts_url": f"{url}/zoho", "books_url": f"{url}/zoho"},
    }


def _announce(url: str, *, as_json: bool) -> None:
    keys = {each.provider: {"client_id": each.client_id, "client_secret": each.secret} for each in CLIENTS}
    if as_json:
        click.echo(json.dumps({"url": url, "addresses": addresses(url), "credentials": keys}, indent=2))
        return
    click.echo(f"Simulated providers: {url}  (page for people; {url}/control/ for programs)")
    for provider, places in addresses(url).items():
        click.echo(
            f"  {provider}: client id {keys[provider]['client_id']}, secret {keys[provider]['client_secret']}"
        )
        for name, place in places.items():
            click.echo(f"    {name:<17} {place}")
    click.echo("No money moves. Press Ctrl-C to stop.")


if __name__ == "__main__":
    main(prog_name="paydesk simulator")
