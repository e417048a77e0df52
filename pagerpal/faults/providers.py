"""Providers that refuse, fail, hang, drip, break off, or cannot be reached or trusted."""

from __future__ import annotations

import time

from pagerpal.faults.house import House
from pagerpal.faults.registry import fault

LENGTH = 90.0


def _broken(house: House, how: str, *kinds: str) -> None:
    """Under load the provider behaves so for a while, then works."""
    name = "mail" if how in {"defer", "deny", "drop"} else "ntfy"
    with house.load(*kinds or ("one", "both", "tap"), rate=2):
        for _ in range(house.scale.times(5, least=1)):
            time.sleep(3)
            with house.blocked():
                house.sink.tell(f"{name} {how}")
                time.sleep(house.scale.seconds(LENGTH, least=12))
                house.sink.tell(f"{name} work")
            house.tried += 1
        time.sleep(5)


@fault("provider refuses connections")
def provider_refused(house: House) -> None:
    """Nobody listens."""
    _broken(house, "refused")


@fault("provider answers 500")
def provider_500(house: House) -> None:
    """To everything."""
    _broken(house, "500")


@fault("provider answers 429, Retry-After 3")
def provider_429(house: House) -> None:
    """To everything."""
    _broken(house, "429")


@fault("provider hangs")
def provider_hangs(house: House) -> None:
    """It takes the request and says nothing."""
    _broken(house, "hang")


@fault("provider drips a byte a second")
def provider_drips(house: House) -> None:
    """No timeout of a socket sees that."""
    _broken(house, "drip")


@fault("provider breaks off in the middle of its answer")
def provider_half(house: House) -> None:
    """Whether it took the message is not known."""
    _broken(house, "half")


@fault("certificate of the provider is wrong")
def wrong_certificate(house: House) -> None:
    """Until the address is mended by hand, which needs a start."""
    _set_up_wrong(house, f"https://127.0.0.1:{house.ports['tls']}")


@fault("name of the provider is not known (DNS)")
def unknown_name(house: House) -> None:
    """Until the address is mended by hand, which needs a start."""
    _set_up_wrong(house, "http://ntfy.invalid:8080")


def _set_up_wrong(house: House, url: str) -> None:
    house.stop(house.served[0])
    with house.load("one", "both", rate=2):
        with house.blocked():
            serve = house.serve(NTFY_BASE_URL=url)
            house.wait_until_healthy()
            time.sleep(house.scale.seconds(LENGTH, least=12))
            house.stop(serve)
            house.serve()
            house.wait_until_healthy()
        house.tried += 1


@fault("mail server answers 4xx")
def mail_deferred(house: House) -> None:
    """To every recipient."""
    _broken(house, "defer", "mail")


@fault("mail server answers 5xx")
def mail_denied(house: House) -> None:
    """To every recipient."""
    _broken(house, "deny", "mail")


@fault("mail server breaks off after the mail")
def mail_dropped(house: House) -> None:
    """Whether it took the mail is not known."""
    _broken(house, "drop", "mail")
