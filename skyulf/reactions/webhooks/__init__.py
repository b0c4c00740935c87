"""Deliveries of events to other systems over HTTP: who is told what, in which order, when again, and to which address.

`lanes` says what is to be delivered next and what became of it, `signing` what a delivery looks like, `addresses` where
it may go; `courier` does it for one webhook, `deliverer` for all.
"""
