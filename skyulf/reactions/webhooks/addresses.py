"""Where deliveries may go: a server that sends what callers name to where callers name must not reach inside for them.

The rule is asked about the address that is connected to, not about the name: what a name means may change in between.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from skyulf.errors import Fault, Invalid

SETTING = "SKYULF_WEBHOOK_HOSTS"

PUBLIC = "public"
"""The word for every address that is reached over the internet."""

Address = IPv4Address | IPv6Address

NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class AddressRules:
    """``public`` lets every public address be reached; ``hosts`` and ``networks`` are reached whatever they are."""

    public: bool
    hosts: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def of(cls, words: Iterable[str]) -> Self:
        """The rules that the setting's words say; raises `ValueError` naming the one that says nothing."""
        hosts: set[str] = set()
        networks = []
        public = False
        for word in words:
            if word == PUBLIC:
                public = True
            elif word.replace(".", "").replace("/", "").isdigit() or ":" in word:
                networks.append(ip_network(word))
            elif "/" in word:
                raise ValueError(f"{word} is neither a host nor a network")
            else:
                hosts.add(word.lower())
        return cls(public, frozenset(hosts), tuple(networks))

    def allows(self, host: str, address: Address) -> bool:
        """Whether a delivery to ``host``, which means ``address`` now, may be sent."""
        return (
            host.lower() in self.hosts
            or any(address in network for network in self.networks)
            or (self.public and is_public(address))
        )

    def check(self, url: str) -> None:
        """Raise `Invalid` for a URL that says itself that it leads to where nothing may be sent."""
        host = urlsplit(url).hostname or ""
        address = literal(host)
        if address is not None and not self.allows(host, address):
            fault = Fault("url", not_allowed(host, address))
            raise Invalid(f"nothing may be delivered there: {fault.message}", [fault])


def literal(host: str) -> Address | None:
    """The address that a host is without being looked up; None for other names."""
    if host == "localhost" or host.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(host)
    except ValueError:
        return None


def not_allowed(host: str, address: Address) -> str:
    """Why an address is not connected to, and the way out."""
    named = str(address) if host == str(address) else f"{host} ({address})"
    return f"{named} is not an address that deliveries may go to; {SETTING} says which are"


def is_public(address: Address) -> bool:
    """Whether an address is reached over the internet, and so is one that stands in it for another."""
    if isinstance(address, IPv6Address):
        for inner in (address.ipv4_mapped, address.sixtofour, address.teredo and address.teredo[1]):
            if inner is not None:
                return is_public(inner)
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
