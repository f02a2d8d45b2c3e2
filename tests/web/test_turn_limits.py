"""Rows 17, 39, 41 and 42 of faults.md 5: who pays for a turn, and how often."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Start = Callable[..., Any]


def test_42_the_31st_turn_in_a_minute_is_refused_before_the_model_is_asked(start: Start) -> None:
    service = start(RATE_LIMIT_IP="30/minute")
    asked_before = len(service.model.asked)
    statuses = [service.ask().status for _ in range(32)]
    assert statuses == [200] * 30 + [429] * 2
    assert len(service.model.asked) - asked_before == 30


def test_39_spoofed_hops_do_not_buy_turns(start: Start) -> None:
    service = start(RATE_LIMIT_IP="2/minute")
    forged = [", ".join(f"203.0.113.{hop + turn}" for hop in range(50)) for turn in range(3)]
    assert [service.ask(X_Forwarded_For=hops).status for hops in forged] == [200, 200, 429]


def test_39_behind_one_proxy_the_hop_it_added_counts(start: Start) -> None:
    service = start(RATE_LIMIT_IP="1/minute", TRUSTED_PROXIES="1")
    assert service.ask(X_Forwarded_For="198.51.100.7, 203.0.113.1").status == 200
    assert service.ask(X_Forwarded_For="198.51.100.8, 203.0.113.1").status == 429
    assert service.ask(X_Forwarded_For="198.51.100.7, 203.0.113.2").status == 200


def test_refused_questions_do_not_use_up_the_limit(start: Start) -> None:
    service = start(RATE_LIMIT_IP="1/minute")
    for answer in (
        service.ask(""),
        service.post(b"{"),
        service.ask(Origin="https://evil.example"),
        service.ask(client="disabled"),
    ):
        assert answer.status in (400, 403, 422)
    assert service.ask().status == 200


def test_a_client_s_limit_counts_its_turns_from_everywhere(start: Start) -> None:
    service = start(RATE_LIMIT_CLIENT="1/minute", TRUSTED_PROXIES="1")
    assert service.ask(X_Forwarded_For="203.0.113.1").status == 200
    assert service.ask(X_Forwarded_For="203.0.113.2").status == 429
    assert service.ask(client="open", X_Forwarded_For="203.0.113.2").status == 200


def test_41_fifty_requests_with_one_key_pay_for_one_turn(start: Start) -> None:
    service = start(RATE_LIMIT_IP="2/minute")
    asked_before = len(service.model.asked)
    service.model.release.clear()
    refused = threading.Semaphore(0)

    def ask() -> tuple[int, str | None]:
        answer = service.ask("hold", Idempotency_Key="one")
        if answer.status == 409:
            refused.release()
        return answer.status, answer.code

    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(ask) for _ in range(50)]
        all_refused = all(refused.acquire(timeout=30) for _ in range(49))
        service.model.release.set()
    assert all_refused
    assert sorted(future.result()[0] for future in asked) == [200] + [409] * 49
    assert ("idempotency_in_flight") in {future.result()[1] for future in asked}
    assert len(service.model.asked) - asked_before == 1
    assert service.ask("hold", Idempotency_Key="one").headers["Idempotent-Replayed"] == "true"


def test_an_address_at_one_client_is_told_which_limit_it_met(start: Start) -> None:
    service = start(RATE_LIMIT_CLIENT_IP="1/hour", TRUSTED_PROXIES="1")
    assert service.ask(X_Forwarded_For="2001:db8:1:2::1").status == 200
    refused = service.ask(X_Forwarded_For="2001:db8:1:2:ffff::9")
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert "asked this assistant" in refused.json["error"]["message"]
    assert refused.headers["Retry-After"] in ("3599", "3600")
    assert service.ask(X_Forwarded_For="2001:db8:1:3::1").status == 200
    assert service.ask(client="open", X_Forwarded_For="2001:db8:1:2::1").status == 200
