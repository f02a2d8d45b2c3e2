import socket
import struct
from collections.abc import Iterator

import pytest

from tts_service.web.connection import Connection

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["gunicorn.socket", "werkzeug.socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Connection, socket.socket, socket.socket]]:
    """What we hold, and both ends of the connection: the server's and the caller's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    server.settimeout(5)
    with caller, server:
        yield Connection({request.param: server}), server, caller


def test_a_caller_who_waits_is_not_gone(ends: tuple[Connection, socket.socket, socket.socket]) -> None:
    connection, server, _ = ends
    assert not connection.reader_gone()
    assert server.gettimeout() == 5


def test_asking_takes_no_byte_of_a_pipelined_request(
    ends: tuple[Connection, socket.socket, socket.socket],
) -> None:
    connection, server, caller = ends
    caller.sendall(b"GET")
    assert server.recv(1, socket.MSG_PEEK) == b"G"
    assert not connection.reader_gone()
    assert server.recv(10) == b"GET"


def test_a_caller_who_hung_up_is_gone(ends: tuple[Connection, socket.socket, socket.socket]) -> None:
    connection, server, caller = ends
    caller.close()
    assert server.recv(1, socket.MSG_PEEK) == b""
    assert connection.reader_gone()


def test_a_caller_who_reset_the_connection_is_gone(
    ends: tuple[Connection, socket.socket, socket.socket],
) -> None:
    connection, server, caller = ends
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()
    with pytest.raises(ConnectionResetError):
        server.recv(1)
    assert connection.reader_gone()


def test_a_server_that_shows_no_socket_is_taken_for_one_with_a_reader() -> None:
    assert not Connection({}).reader_gone()
    Connection({}).stop_reading()


def test_reading_stops_while_answering_stays_possible(
    ends: tuple[Connection, socket.socket, socket.socket],
) -> None:
    connection, server, caller = ends
    connection.stop_reading()
    assert server.recv(1) == b""
    server.sendall(b"answer")
    assert caller.recv(10) == b"answer"
