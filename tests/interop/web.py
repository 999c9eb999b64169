"""The service's API, asked as a program would ask it."""

from __future__ import annotations

import http.client
import json
from typing import Union

from client import Place

# What a scenario adds to the configuration to have the API, on the service's own host.
PORT = 8080
LISTEN = f'\n[http]\nlisten = ["127.0.0.1:{PORT}"]\n'


class Web:
    """Somebody who has logged in, as EXTENSION of `company`."""

    def __init__(self, place: Place, company: str, user: str, password: str):
        self.place = place
        self._headers = {"Content-Type": "application/json"}
        status, opened, cookie = self._ask("POST", "/session", {"company": company, "user": user, "password": password})
        assert status == 200, f"{user} cannot log in: {status} {opened}"
        self._headers |= {"Cookie": cookie, "X-CSRF-Token": opened["csrf_token"]}

    def get(self, path: str) -> dict:
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Union[dict, bytes, None] = None, expected: tuple[int, ...] = (200, 201, 204)) -> dict:
        status, answer, _ = self._ask(method, path, body)
        assert status in expected, f"{method} {path}: {status} {answer}"
        return answer

    def _ask(self, method: str, path: str, body: Union[dict, bytes, None] = None) -> tuple[int, dict, str]:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
        with self.place.entered():
            connection.connect()
        said = body if body is None or isinstance(body, bytes) else json.dumps(body)
        connection.request(method, f"/api/v1{path}", said, self._headers)
        answer = connection.getresponse()
        text, cookie = answer.read(), (answer.headers["Set-Cookie"] or "").split(";")[0]
        connection.close()
        return answer.status, json.loads(text) if text else {}, cookie
