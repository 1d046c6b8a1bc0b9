"""A ClickHouse server for tests: chDB in a process of its own, behind what the client speaks of the HTTP interface.

`clickhouse_over_http.py FOLDER [PORT]` prints its address and serves until it is killed.

Query in the body, the address or a form; settings and parameters in the address; sessions that refuse two statements at
once, as ClickHouse's do; compressed and chunked inserts; errors with their code in a header.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
import socket
import sys
import tempfile
import threading
import uuid
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame

# What the interface itself understands; everything else in an address is a setting.
OWN = frozenset(
    {
        *("query", "query_id", "database", "session_id", "session_timeout", "session_check", "user", "password"),
        *("compress", "decompress", "wait_end_of_query", "default_format", "client_protocol_version", "buffer_size"),
        *("enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "role"),
    }
)
OPENERS = {
    "gzip": lambda data: zlib.decompress(data, wbits=31),
    "deflate": zlib.decompress,
    "lz4": lz4.frame.decompress,
}
INSERT = re.compile(rb"\s*(INSERT\s+INTO\s.*?)\s*FORMAT\s+(\w+)[ \t]*\r?\n", re.IGNORECASE | re.DOTALL)
FORMAT = re.compile(r"\sFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
CODE = re.compile(r"Code: (\d+)")
STATUS = {60: 404, 81: 404, 241: 500, 373: 500}


class Refused(Exception):
    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {sentence}")


class Engine:
    """chDB, one statement at a time."""

    def __init__(self, folder: str) -> None:
        self._connection = chdb.connect(folder)
        self._lock = threading.Lock()
        self._sessions: set[str] = set()

    def run(self, sql: str, data: bytes | None, asked: dict[str, str]) -> tuple[bytes, str, dict[str, str]]:
        """The result, its format, and what the summary header tells."""
        session = asked.get("session_id", "")
        if session and session in self._sessions:
            raise Refused(373, f"Session {session} is locked by a concurrent client.")
        self._sessions.add(session)
        try:
            with self._lock:
                return self._run(sql, data, asked)
        finally:
            self._sessions.discard(session)

    def _run(self, sql: str, data: bytes | None, asked: dict[str, str]) -> tuple[bytes, str, dict[str, str]]:
        settings = {name: value for name, value in asked.items() if name not in OWN and not name.startswith("param_")}
        parameters = {name[6:]: value for name, value in asked.items() if name.startswith("param_")}
        told = FORMAT.search(sql)
        form = told[1] if told else asked.get("default_format", "TabSeparated")
        try:
            for name, value in settings.items():
                self._connection.query(f"SET {name} = '{value}'")
            if data is not None:
                return self._inserted(sql, data)
            result = self._connection.query(sql, form, params=parameters)
            return result.bytes() or b"", form, {"read_rows": str(result.rows_read())}
        finally:
            for name in settings:
                self._connection.query(f"SET {name} = DEFAULT")

    def _inserted(self, sql: str, data: bytes) -> tuple[bytes, str, dict[str, str]]:
        head, form = FORMAT.sub("", sql), FORMAT.search(sql)
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            result = self._connection.query(f"{head} FROM INFILE '{file.name}' FORMAT {form[1] if form else 'Values'}")
        return b"", "TabSeparated", {"written_rows": str(result.rows_read())}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def log_message(self, *_: Any) -> None:
        """The test's own output is enough."""

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n", {})
        else:
            self._query(b"")

    def do_POST(self) -> None:
        body = self._body()
        opener = OPENERS.get(self.headers.get("Content-Encoding", ""))
        self._query(opener(body) if opener else body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _query(self, body: bytes) -> None:
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            asked, body = asked | _form(kind, body), b""
        sql, data = _split(asked.get("query", ""), body)
        try:
            result, form, summary = self.engine.run(sql, data, asked)
        except Exception as problem:
            text = str(problem)
            code = int(found[1]) if (found := CODE.search(text)) else 1002
            self._answer(STATUS.get(code, 400), text.encode(), {"X-ClickHouse-Exception-Code": str(code)})
            return
        more = {"X-ClickHouse-Summary": json.dumps(summary), "X-ClickHouse-Query-Id": asked.get("query_id", _id())}
        if result:
            more["X-ClickHouse-Format"] = form
        self._answer(200, result, more)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"X-ClickHouse-Timezone": "UTC", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _id() -> str:
    return str(uuid.uuid4())


def _form(kind: str, body: bytes) -> dict[str, str]:
    """The fields of a multipart form, which is how mail is packed too."""
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    parts = list(parser.parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body).iter_parts())
    names = [str(part.get_param("name", header="content-disposition")) for part in parts]
    return {name: part.get_payload(decode=True).decode() for name, part in zip(names, parts, strict=True)}


def _split(query: str, body: bytes) -> tuple[str, bytes | None]:
    """The statement, and the data of an insert, None for other statements."""
    if query:
        return query, body if FORMAT.search(query) and query.lstrip()[:6].upper() == "INSERT" else None
    if (found := INSERT.match(body)) is not None and found[2].upper() != b"VALUES":
        return f"{found[1].decode()} FORMAT {found[2].decode()}", body[found.end() :]
    return body.decode(), None


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def serve(folder: str, port: int = 0) -> None:
    Handler.engine = Engine(folder)
    server = Server(("127.0.0.1", port), Handler)
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], *map(int, sys.argv[2:]))
