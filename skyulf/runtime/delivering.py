"""From settings to what delivers to webhooks: where secrets are kept, where deliveries may go, and who sends them."""

from urllib.parse import urlsplit

from skyulf.adapters.data_dir import DataDirectory
from skyulf.adapters.delivery_store import SqlDeliveryStore
from skyulf.adapters.memory_deliveries import MemoryDeliveryStore
from skyulf.adapters.read_engines import lead_for
from skyulf.adapters.system import new_chance, now
from skyulf.errors import Damaged, Misconfigured
from skyulf.events.delivery_store import DeliveryStore
from skyulf.events.log import EventLog
from skyulf.reactions.webhooks.addresses import SETTING, AddressRules
from skyulf.reactions.webhooks.deliverer import Deliverer
from skyulf.reactions.webhooks.sending import Sender
from skyulf.runtime.making import in_postgres
from skyulf.settings import Settings

LEAD = ("the webhooks",)
"""What one process at a time has the lock of, whatever the version of its projections."""


def make_deliveries(settings: Settings, directory: DataDirectory) -> DeliveryStore:
    """What is kept of webhooks beside the log; on SQLite in a file that its owner alone may read."""
    if urlsplit(settings.database_url).scheme == "memory":
        return MemoryDeliveryStore()
    if in_postgres(settings):
        return SqlDeliveryStore(settings.database_url)
    try:
        return SqlDeliveryStore(directory.webhooks)
    except Damaged as error:
        raise Misconfigured(
            f"SKYULF_DATA_DIR: {error.detail}; restore it, or move it away: secrets are then to be replaced, "
            "and webhooks begin anew from where they were told to"
        ) from error


def make_address_rules(settings: Settings) -> AddressRules:
    """Where ``SKYULF_WEBHOOK_HOSTS`` lets webhooks go."""
    try:
        return AddressRules.of(settings.webhook_hosts.split())
    except ValueError as error:
        raise Misconfigured(
            f"{SETTING}: {error}; write public, hosts, and networks such as 10.0.0.0/8, parted by blanks"
        ) from error


def make_deliverer(settings: Settings, log: EventLog, store: DeliveryStore, rules: AddressRules) -> Deliverer:
    """What delivers; nothing that speaks HTTP is loaded before there is a webhook."""

    def sender() -> Sender:
        from httpx import create_ssl_context

        from skyulf.adapters.webhook_sender import HttpSender

        return HttpSender(rules, settings.webhook_seconds, create_ssl_context())

    lead = lead_for(settings.database_url if in_postgres(settings) else "sqlite:")
    return Deliverer(log, store, sender, lambda: bool(lead.held(LEAD)), now, new_chance().random, lead.give_up)
