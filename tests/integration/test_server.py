"""The web server with clients that are slow, silent, greedy or gone: nobody else waits for them."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from headframe.statemachine.database import connect
from headframe.web import asgi, connection, serve
from headframe.web.app import create_app
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from .servers import wait_until

MANY = 20


@pytest.fixture
def port(database_url: str, instance: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(serve, "KEEP_ALIVE_S", 1)
    engine = connect(database_url, instance)
    listener, stop = Listener(create_app(engine, Settings(instance=instance)), "127.0.0.1", 0), threading.Event()
    server = threading.Thread(target=listener.run, args=(stop,))
    server.start()
    yield listener.port
    stop.set()
    server.join(timeout=60)
    assert not server.is_alive()
    engine.dispose()


def said(port: int, words: bytes) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=60)
    made.sendall(words)
    return made


def ask(port: int, address: str = "/", **headers: str) -> http.client.HTTPResponse:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("GET", address, headers=headers)
    return client.getresponse()


def test_slow_uploads_hold_no_thread(port: int) -> None:
    begun = b"POST /dead-letters HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"
    with contextlib.ExitStack() as slow:
        for _ in range(MANY):
            slow.enter_context(said(port, begun))
        assert ask(port).status == 200


def test_clients_that_do_not_read_hold_no_thread(port: int) -> None:
    with contextlib.ExitStack() as slow:
        for _ in range(MANY):
            slow.enter_context(said(port, b"GET /static/page.css HTTP/1.1\r\nHost: x\r\n\r\n" * 50))
        assert ask(port).status == 200


@pytest.mark.parametrize("words", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_client_that_never_says_what_it_wants_is_hung_up_on(
    port: int, words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.3)
    with said(port, words) as silent, contextlib.suppress(ConnectionResetError):
        assert silent.recv(100) == b""


def test_a_client_that_falls_silent_after_an_answer_is_hung_up_on(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.3)
    with said(port, b"HEAD /static/icon.svg HTTP/1.1\r\nHost: x\r\n\r\n") as silent:
        assert silent.recv(5000).startswith(b"HTTP/1.1 200")
        silent.sendall(b"G")
        with contextlib.suppress(ConnectionResetError):
            assert silent.recv(100) == b""


@pytest.mark.parametrize("address", ["/api/v1/runs", "/", "/healthz"])
def test_each_answer_has_one_date(port: int, address: str) -> None:
    assert len(ask(port, address).headers.get_all("Date", [])) == 1


def test_a_head_without_end_is_refused(port: int) -> None:
    with (
        said(port, b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 100_000) as greedy,
        contextlib.suppress(ConnectionResetError),
    ):
        assert greedy.recv(100).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_mb_is_refused_and_not_kept(port: int, chunked: bool) -> None:
    piece, pieces = bytes(1 << 20), 100
    before = psutil.Process().memory_info().rss
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    length = {} if chunked else {"Content-Length": str(pieces * len(piece))}
    client.request("POST", "/api/v1/runs", body=(piece for _ in range(pieces)), headers=length, encode_chunked=chunked)
    answer = client.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert psutil.Process().memory_info().rss - before < 40 << 20


def test_who_asks_before_sending_a_large_body_hears_at_once(port: int) -> None:
    asked = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100000000\r\n\r\n"
    with said(port, asked) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_it_ends_at_once_while_clients_are_connected(database_url: str, instance: str) -> None:
    engine = connect(database_url, instance)
    listener, stop = Listener(create_app(engine, Settings(instance=instance)), "127.0.0.1", 0), threading.Event()
    server = threading.Thread(target=listener.run, args=(stop,))
    server.start()
    with said(listener.port, b""), said(listener.port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"):
        assert ask(listener.port).status == 200
        began = time.monotonic()
        stop.set()
        server.join(timeout=60)
        assert time.monotonic() - began < 30
    engine.dispose()


def test_files_of_packages_are_served_for_good_under_their_version(port: int) -> None:
    from headframe.web.vendor import VENDORED, version

    for name, found in VENDORED.items():
        answer = ask(port, f"/vendor/{version(found.distribution)}/{name}")
        assert (answer.status, len(answer.read()) > 1000) == (200, True)
        assert "immutable" in answer.headers["Cache-Control"]
    assert ask(port, "/vendor/0/uplot.js").status == ask(port, "/vendor/0/passwd").status == 404


def test_bodies_of_many_clients_do_not_fill_the_memory(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "HELD", 1000)
    monkeypatch.setattr(asgi, "SMALL_BODY", 100)
    begun = b"POST /api/v1/arrivals HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"
    with said(port, begun + bytes(800)) as first:
        wait_until(lambda: status_of_body(port, 500) == 503, 60, "there is no room for a second body")
        assert status_of_body(port, 100) != 503
        first.sendall(bytes(100))
        assert first.recv(100).startswith(b"HTTP/1.1 4")
    wait_until(lambda: status_of_body(port, 500) != 503, 60, "there is room again")


def status_of_body(port: int, size: int) -> int:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("POST", "/api/v1/arrivals", body=bytes(size))
    return client.getresponse().status


def test_a_request_of_two_lengths_is_refused_so_that_a_proxy_cannot_read_another_one_in_it(port: int) -> None:
    asked = (
        b"POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"
    )
    with said(port, asked) as client:
        answer = b"".join(iter(lambda: client.recv(4096), b"")).lower()
        assert answer.startswith(b"http/1.1 400") and b"connection: close" in answer
