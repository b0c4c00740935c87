"""Webhooks' progress and secrets in memory: for tests, and for a system that is to leave nothing behind."""

from collections.abc import Collection, Iterable

from skyulf.events.delivery_store import Progress


class MemoryDeliveryStore:
    """`DeliveryStore` in two dictionaries."""

    def __init__(self) -> None:
        self._kept: dict[str, Progress] = {}
        self._secrets: dict[str, str] = {}

    def load(self, webhook: str) -> Progress | None:
        """See `DeliveryStore.load`."""
        return self._kept.get(webhook)

    def load_all(self) -> dict[str, Progress]:
        """See `DeliveryStore.load_all`."""
        return dict(self._kept)

    def save(self, webhook: str, progress: Progress) -> None:
        """See `DeliveryStore.save`."""
        self._kept[webhook] = progress

    def keep_secret(self, secret_hash: str, secret: str) -> None:
        """See `DeliveryStore.keep_secret`."""
        self._secrets[secret_hash] = secret

    def secret(self, secret_hash: str) -> str | None:
        """See `DeliveryStore.secret`."""
        return self._secrets.get(secret_hash)

    def known(self, hashes: Collection[str]) -> frozenset[str]:
        """See `DeliveryStore.known`."""
        return frozenset(self._secrets.keys() & set(hashes))

    def forget(self, webhook: str | None = None, secrets: Iterable[str] = ()) -> None:
        """See `DeliveryStore.forget`."""
        if webhook is not None:
            self._kept.pop(webhook, None)
        for secret_hash in secrets:
            self._secrets.pop(secret_hash, None)

    def close(self) -> None:
        """See `DeliveryStore.close`."""
