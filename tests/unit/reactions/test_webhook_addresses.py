"""Where deliveries may go, by the address; and what they look like."""

import json
from datetime import timedelta
from ipaddress import ip_address

import pytest
from builders import NOW, record, renamed
from receiver import Delivery

from skyulf.errors import Invalid
from skyulf.events.cloudevents import from_json
from skyulf.reactions.webhooks.addresses import AddressRules, is_public
from skyulf.reactions.webhooks.signing import delivery, hash_of, key_of, secret_of, signature

INSIDE = [
    "127.0.0.1",
    "127.255.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("address", INSIDE)
def test_what_lies_inside_is_not_public_and_can_be_named(address: str) -> None:
    found = ip_address(address)
    assert not is_public(found)
    assert not AddressRules.of(["public"]).allows("a.example", found)
    assert AddressRules.of([address]).allows("a.example", found)
    assert AddressRules.of(["a.example"]).allows("A.example", found)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "::ffff:8.8.8.8"])
def test_what_lies_outside_is_public_and_can_be_left_out(address: str) -> None:
    found = ip_address(address)
    assert AddressRules.of(["public"]).allows("a.example", found)
    assert not AddressRules.of(["10.0.0.0/8", "b.example"]).allows("a.example", found)


def test_networks_and_hosts() -> None:
    rules = AddressRules.of(["10.0.0.0/8", "fd00::/8", "hooks.internal"])
    assert rules.allows("x", ip_address("10.9.9.9"))
    assert rules.allows("x", ip_address("fd12::1"))
    assert not rules.allows("x", ip_address("11.0.0.1"))
    assert rules.allows("hooks.internal", ip_address("192.168.0.1"))
    assert not rules.allows("other.internal", ip_address("192.168.0.1"))


@pytest.mark.parametrize("word", ["10.0.0.0/33", "10.0.0.1/8", "300.1.1.1", "http://x/", "example.org/", "::g"])
def test_words_that_say_nothing_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        AddressRules.of([word])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "a.localhost", "[::1]", "[::ffff:10.0.0.1]"])
def test_a_url_that_says_itself_that_it_leads_inside_is_refused_at_once(host: str) -> None:
    rules = AddressRules.of(["public"])
    with pytest.raises(Invalid) as refusal:
        rules.check(f"http://{host}:8080/hook")
    assert "SKYULF_WEBHOOK_HOSTS" in refusal.value.faults[0].message
    rules.check("https://example.org/")
    AddressRules.of(["127.0.0.0/8"]).check("http://localhost/")


EVENT = record(renamed("a"), 7, "pipeline-1", 2)


def test_a_delivery_is_the_event_as_it_is_sealed_signed_as_a_whole() -> None:
    secret = secret_of(b"s" * 32)
    headers, body = delivery(EVENT, key_of(secret), NOW)
    told = dict(headers)
    assert from_json(body) == EVENT
    assert json.loads(body)["type"] == "skyulf.PipelineRevised"
    assert told["content-type"] == "application/cloudevents+json"
    assert told["webhook-id"] == EVENT.id
    assert told["webhook-timestamp"] == str(int(NOW.timestamp()))
    later = dict(delivery(EVENT, key_of(secret), NOW + timedelta(seconds=60))[0])
    assert later["webhook-id"] == told["webhook-id"]
    assert later["webhook-signature"] != told["webhook-signature"]


def test_the_signature_is_that_of_the_specification() -> None:
    """The example that Standard Webhooks gives for its libraries."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_was_changed_on_the_way_is_noticed() -> None:
    from datetime import UTC, datetime

    secret = secret_of(b"s" * 32)
    headers, body = delivery(EVENT, key_of(secret), datetime.now(UTC))
    assert Delivery("/", dict(headers), body).signed_with(secret)
    assert not Delivery("/", dict(headers), body.replace(b'"pipeline-1"', b'"pipeline-2"')).signed_with(secret)
    assert not Delivery("/", dict(headers), body).signed_with(secret_of(b"t" * 32))


def test_secrets_and_their_hashes() -> None:
    secret = secret_of(bytes(32))
    assert (secret[:6], len(key_of(secret)), len(hash_of(secret))) == ("whsec_", 32, 64)
    with pytest.raises(ValueError, match="no secret"):
        key_of("whsec_no base64")
