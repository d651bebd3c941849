"""Heads of answers are read as Python's own parser reads them."""

import http.client
import io
from email.parser import Parser

import pytest
from botocore import awsrequest

from opsportal.dynamo import deadlines, heads

PLAIN = (
    b"Server: Server\r\nDate: Fri, 20 Nov 2026 12:00:00 GMT\r\nContent-Type: application/x-amz-json-1.0\r\n"
    b"Content-Length: 2\r\nConnection: keep-alive\r\nx-amzn-RequestId: 4C5S\r\nx-amz-crc32: 2745614147\r\n\r\n"
)
HEADS = (
    PLAIN,
    b"\r\n",
    b"A:1\r\nA:  2 \r\na:\t3\r\n\r\n",
    b"Empty:\r\nColons: a:b:c\r\nBytes: \xe4\xff\r\n\r\n",
    b"Content-Length: 2\nX: y\n\n",
    # What is written in another way.
    b"Folded: a\r\n  b\r\nX: y\r\n\r\n",
    b"Content-Length: 2\r\nno field\r\nX: y\r\n\r\n",
    b"Blank : a\r\nX: y\r\n\r\n",
    b": a\r\nX: y\r\n\r\n",
    b"X: a\rY: b\r\nZ: c\r\n\r\n",
    b"X: a\x00b\x0bc\r\n\r\n",
    b"From me\r\nX: y\r\n\r\n",
)


def lines_of(head: bytes) -> list[bytes]:
    return list(io.BytesIO(head))


@pytest.mark.parametrize("head", HEADS)
def test_a_head_is_read_as_pythons_parser_reads_it(head: bytes) -> None:
    expected = Parser(_class=http.client.HTTPMessage).parsestr(head.decode("iso-8859-1"))
    found = heads.parse(lines_of(head))
    assert list(found.items()) == list(expected.items())
    assert found.get_all("a") == expected.get_all("a")
    assert [type(one) for one in found.defects] == [type(one) for one in expected.defects]


class _Socket:
    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.answer)


@pytest.mark.parametrize("head", HEADS)
def test_an_answer_is_as_pythons_own(head: bytes) -> None:
    read = []
    for kind in (heads.Answer, http.client.HTTPResponse):
        answer = kind(_Socket(b"HTTP/1.1 200 OK\r\n" + head + b"{}"), method="POST")
        answer.begin()
        read.append((answer.status, answer.reason, answer.getheaders(), answer.length, answer.will_close))
    assert read[0] == read[1]


def test_too_many_fields_are_refused_as_before() -> None:
    answer = heads.Answer(_Socket(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"), method="POST")
    with pytest.raises(http.client.HTTPException):
        answer.begin()


def test_botocores_connections_read_so_and_nobody_elses_do() -> None:
    deadlines.install()
    for pool in (awsrequest.AWSHTTPConnectionPool, awsrequest.AWSHTTPSConnectionPool):
        assert pool.ConnectionCls("localhost").response_class is heads.Answer
    assert http.client.HTTPConnection.response_class is http.client.HTTPResponse
    assert http.client.HTTPResponse.begin.__globals__["parse_headers"] is http.client.parse_headers
