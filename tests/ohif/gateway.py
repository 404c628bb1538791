"""One loopback server for a browser: OHIF's files, and behind `/dicom-web` an archive's DICOMweb."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
_ROOT = "/dicom-web"
_SOURCE = {
    "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
    "sourceName": "dicomweb",
    "configuration": {
        "friendlyName": "Orthanc",
        "name": "orthanc",
        "wadoUriRoot": _ROOT,
        "qidoRoot": _ROOT,
        "wadoRoot": _ROOT,
        "qidoSupportsIncludeField": False,
        "imageRendering": "wadors",
        "thumbnailRendering": "wadors",
        "enableStudyLazyLoad": True,
        "omitQuotationForMultipartRequest": True,
    },
}
_SETTINGS = {
    "routerBasename": "/",
    "extensions": [],
    "modes": [],
    "showStudyList": True,
    "showLoadingIndicator": True,
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": "dicomweb",
    "dataSources": [_SOURCE],
}


@contextmanager
def gateway(viewer: Path, archive: str) -> Iterator[str]:
    """Serves while the block runs.

    Args:
        viewer: the folder of the built OHIF.
        archive: URL of the server whose `/dicom-web` is passed on.

    Yields:
        Where it listens.
    """
    with httpx.Client(base_url=archive, timeout=120) as client:

        class Handler(_Handler):
            files = viewer
            upstream = client

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    files: Path
    upstream: httpx.Client
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A file of the viewer, its settings, or what the archive answers."""
        path = self.path.partition("?")[0]
        if path.startswith(_ROOT):
            headers = {"Accept": self.headers.get("Accept", "*/*")}
            answer = self.upstream.get(self.path, headers=headers)
            kind = answer.headers.get("Content-Type", "application/octet-stream")
            self._answer(answer.status_code, kind, answer.content)
        elif path == "/app-config.js":
            self._answer(HTTPStatus.OK, _TYPES[".js"], f"window.config = {json.dumps(_SETTINGS)};".encode())
        else:
            file = (self.files / path.lstrip("/")).resolve()
            if not file.is_file() or not file.is_relative_to(self.files.resolve()):
                file = self.files / "index.html"  # the viewer's own routes
            kind = _TYPES.get(file.suffix, "application/octet-stream")
            self._answer(HTTPStatus.OK, kind, file.read_bytes())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the class above
        """Says nothing."""

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        self.wfile.write(body)
