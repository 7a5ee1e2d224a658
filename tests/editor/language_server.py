"""A client of yaml-language-server: what an editor asks it, over its protocol."""

import json
import subprocess
import threading
from pathlib import Path
from queue import Queue
from typing import Any

Message = dict[str, Any]
WAIT_SECONDS = 30


class LanguageServer:
    """A running server; messages are framed as the Language Server Protocol 3.17 says."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._answers: Queue[Message] = Queue()
        self._published: Queue[Message] = Queue()
        self._writing = threading.Lock()
        self._next = 0
        threading.Thread(target=self._read, daemon=True).start()
        self._begin(folder)

    def open(self, file: Path) -> list[Message]:
        """The diagnostics that the server shows for the file."""
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1}
        self._notify(
            "textDocument/didOpen", {"textDocument": {**document, "text": file.read_text("utf-8")}}
        )
        while True:
            published = self._published.get(timeout=WAIT_SECONDS)
            if published["uri"] == file.as_uri():
                return list(published["diagnostics"])

    def hover(self, file: Path, line: int, column: int) -> str:
        """The text that hovering there shows; lines and columns from 1."""
        shown = self._ask("textDocument/hover", self._place(file, line, column))
        return str(shown["contents"]["value"]) if shown else ""

    def complete(self, file: Path, line: int, column: int) -> list[str]:
        """The words that are offered there; lines and columns from 1."""
        answer = self._ask("textDocument/completion", self._place(file, line, column))
        items = answer["items"] if isinstance(answer, dict) else answer
        return [item["label"] for item in items]

    def close(self) -> None:
        """Ends the server."""
        self._ask("shutdown", None)
        self._notify("exit", None)
        self._process.wait(timeout=WAIT_SECONDS)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def kill(self) -> None:
        """Ends the server where it does not end by itself."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _begin(self, folder: Path) -> None:
        capabilities = {
            "textDocument": {
                "hover": {"contentFormat": ["markdown", "plaintext"]},
                "completion": {"completionItem": {"snippetSupport": False}},
                "publishDiagnostics": {},
            },
            "workspace": {"configuration": True},
        }
        self._ask(
            "initialize",
            {"processId": None, "rootUri": folder.as_uri(), "capabilities": capabilities},
        )
        self._notify("initialized", {})
        self._notify("workspace/didChangeConfiguration", {"settings": {}})

    def _place(self, file: Path, line: int, column: int) -> Message:
        return {
            "textDocument": {"uri": file.as_uri()},
            "position": {"line": line - 1, "character": column - 1},
        }

    def _ask(self, method: str, params: object) -> Any:
        self._next += 1
        self._send({"id": self._next, "method": method, "params": params})
        answer = self._answers.get(timeout=WAIT_SECONDS)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def _notify(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self._process.stdin
        if stream is None:
            raise AssertionError("the server has no input")
        with self._writing:
            stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            stream.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        while stream is not None and (header := stream.readline()):
            length = int(header.split(b":")[1]) if header.startswith(b"Content-Length") else 0
            if not length:
                continue
            while stream.readline().strip():
                pass
            self._take(json.loads(stream.read(length)))

    def _take(self, message: Message) -> None:
        match message:
            case {"method": "textDocument/publishDiagnostics", "params": params}:
                self._published.put(params)
            case {"method": "workspace/configuration", "id": number, "params": {"items": items}}:
                on = {
                    "validate": True,
                    "hover": True,
                    "completion": True,
                    "schemaStore": {"enable": False},
                }
                settings = [on if item.get("section") == "yaml" else {} for item in items]
                self._send({"id": number, "result": settings})
            case {"method": _, "id": number}:
                self._send({"id": number, "result": None})
            case {"id": _}:
                self._answers.put(message)
