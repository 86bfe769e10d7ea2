"""The stack under test, as its customers know it: addresses and a key."""

import itertools
import json
import os
import time
import urllib.request


def wanted(name):
    value = os.environ.get(name)
    if not value:
        raise SystemExit(f"{name} is not set: these tests need a running stack; `cargo xtask test --only e2e` starts one")
    return value


API = wanted("AIAS_E2E_API_URL")
DOOR = wanted("AIAS_E2E_EDGE_URL") + "/v1"
PUBLISHABLE_KEY = wanted("AIAS_E2E_PUBLISHABLE_KEY")

numbers = itertools.count(1)


def unique():
    return f"{time.time_ns():x}-{os.getpid()}-{next(numbers)}"


def must_not_stay(secret):
    """Says that this is a key or a password: when all is over the gate searches for it, and it may stand nowhere."""
    file = os.environ.get("AIAS_E2E_KEYS_USED")
    if file:
        with open(file, "a", encoding="utf-8") as used:
            used.write(f"{secret}\n")
    return secret


def post(path, body, token=None):
    headers = {"apikey": PUBLISHABLE_KEY, "content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(API + path, json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=30) as response:
        text = response.read()
    return json.loads(text) if text else None


class Tenant:
    """Somebody new, with a tenant of their own and an API key of it."""

    def __init__(self, scopes=("models.call",)):
        email = f"python-{unique()}@example.test"
        password = must_not_stay(f"a-long-enough-password-{unique()}")
        self.token = must_not_stay(post("/auth/v1/signup", {"email": email, "password": password})["access_token"])
        self.id = self.rpc("create_tenant", name="Python", subdomain=f"python-{unique()}")["id"]
        [made] = self.rpc("create_api_key", tenant_id=self.id, name="SDK", scopes=list(scopes))
        self.key = must_not_stay(made["key"])

    def rpc(self, function, **arguments):
        return post(f"/rest/v1/rpc/{function}", arguments, self.token)

    def insert(self, table, **row):
        return post(f"/rest/v1/{table}", {"tenant_id": self.id, **row}, self.token)
