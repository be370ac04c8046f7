#!/usr/bin/python3
"""victor-controller from outside, without elements: every answer has the shape that
docs/openapi.yaml says; restart, kill -9, reload.

    daemon.py PATH/TO/victor-controller PATH/TO/openapi.yaml
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import yaml

OPENAPI = sys.argv.pop()
CONTROLLER = sys.argv.pop()
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}


class Api:
    """docs/openapi.yaml, and whether values fit it."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.document = yaml.safe_load(file)

    def resolve(self, item):
        while "$ref" in item:
            name = item["$ref"]
            item = self.document
            for part in name[2:].split("/"):
                item = item[part]
        return item

    def check(self, value, schema, where=""):
        """Raises AssertionError where the value does not fit."""
        schema = self.resolve(schema)
        if value is None:
            assert schema.get("nullable"), f"{where} is null"
            return
        for part in schema.get("allOf", []):
            self.check(value, part, where)
        if "type" in schema:
            kind = TYPES[schema["type"]]
            assert isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), \
                f"{where}: {value!r} is no {schema['type']}"
        if "enum" in schema:
            assert value in schema["enum"], f"{where}: {value!r}"
        if isinstance(value, list):
            for i, item in enumerate(value):
                self.check(item, schema["items"], f"{where}[{i}]")
        if isinstance(value, dict) and "properties" in schema:
            assert set(schema.get("required", [])) <= set(value), f"{where}: {sorted(value)}"
            assert set(value) <= set(schema["properties"]), f"{where}: {sorted(value)}"
            for key, item in value.items():
                self.check(item, schema["properties"][key], f"{where}.{key}")

    def response(self, pattern, method, status):
        return self.resolve(self.document["paths"][pattern][method]["responses"][str(status)])


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Daemon(unittest.TestCase):
    def setUp(self):
        self.api = Api(OPENAPI)
        self.directory = tempfile.TemporaryDirectory()
        self.socket = os.path.join(self.directory.name, "s")
        self.config = os.path.join(self.directory.name, "controller.yaml")
        self.write_config(["10.10.0.5"])
        self.start()

    def write_config(self, addresses):
        with open(self.config, "w", encoding="utf-8") as file:
            yaml.safe_dump({
                "southbound": [f"unix:{self.directory.name}/south"],
                "northbound": [f"unix:{self.socket}"],
                "state": os.path.join(self.directory.name, "state"),
                "prefixes": [{"prefix": "10.10.0.0/16", "mobile": True, "gateway": "10.10.0.1"}],
                "links": [{"between": ["fe1", "fe2"]}],
                "nodes": [{"id": "fixed", "addresses": addresses}],
            }, file)

    def start(self):
        self.controller = subprocess.Popen([CONTROLLER, "--config", self.config],
                                           stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not os.path.exists(self.socket):
            assert self.controller.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self):
        self.controller.terminate()
        self.assertEqual(self.controller.wait(20), 0)

    def tearDown(self):
        self.stop()
        self.directory.cleanup()

    def ask(self, method, pattern, path=None, body=None, expected=200):
        connection = Connection(self.socket)
        connection.request(method, path or pattern, json.dumps(body) if body is not None else None)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        self.assertEqual(response.status, expected, text)
        described = self.api.response(pattern, method.lower(), response.status)
        if "content" not in described:
            self.assertEqual(text, "")
            return None
        if "application/json" not in described["content"]:
            return text
        value = json.loads(text)
        self.api.check(value, described["content"]["application/json"]["schema"], path or pattern)
        return value

    def test_what_is_read_has_the_shape_that_is_described(self):
        for pattern in ["/v1/status", "/v1/elements", "/v1/prefixes", "/v1/links", "/v1/nodes",
                        "/v1/attachments", "/v1/refusals", "/v1/alarms", "/v1/sites", "/metrics", "/v1/user", "/v1/tokens",
                        "/v1/audit", "/v1/devices", "/v1/devices/secrets", "/v1/registrations"]:
            self.ask("GET", pattern)
        self.ask("GET", "/v1/nodes/{id}", "/v1/nodes/fixed")
        self.ask("GET", "/v1/nodes/{id}", "/v1/nodes/nobody", expected=404)
        self.ask("GET", "/v1/nodes/{id}/devices", "/v1/nodes/fixed/devices")
        self.ask("GET", "/v1/elements/{name}", "/v1/elements/fe9", expected=404)
        self.ask("GET", "/v1/elements/{name}/ports", "/v1/elements/fe9/ports", expected=404)
        self.ask("GET", "/v1/trace", expected=400)

    def test_what_is_changed_has_the_shape_that_is_described(self):
        node, path = "/v1/nodes/{id}", "/v1/nodes/vm1"
        body = {"addresses": ["10.10.0.9"], "mac": "52:54:00:00:00:09", "labels": ["tenant=red"],
                "allow": {"ports": ["tap*"]}}
        self.ask("PUT", node, path, body, 201)
        self.ask("PUT", node, path, body, 200)
        self.ask("PUT", node, path, {"addresses": ["10.10.0.9"], "x": 1}, 400)
        self.ask("PUT", node, "/v1/nodes/vm2", body, 409)
        self.ask("POST", node + "/move", path + "/move", {"element": "fe9", "port": "x"}, 404)
        self.ask("DELETE", node, path, expected=204)
        self.ask("DELETE", node, path, expected=404)
        self.ask("DELETE", node, "/v1/nodes/fixed", expected=409)

    def test_a_token_and_the_audit_log_have_the_shape_that_is_described(self):
        made = self.ask("POST", "/v1/tokens", body={"name": "ci", "role": "read"}, expected=201)
        self.assertTrue(made["token"].startswith("victor_"))
        self.ask("POST", "/v1/tokens", body={"name": "ci", "role": "read"}, expected=409)
        self.ask("GET", "/v1/tokens")
        self.ask("DELETE", "/v1/tokens/{name}", "/v1/tokens/ci", expected=204)
        changes = self.ask("GET", "/v1/audit")["audit"]
        self.assertEqual([c["status"] for c in changes], [201, 409, 200, 204])
        self.assertNotIn(made["token"], json.dumps(changes))

    def test_events_have_the_shape_that_is_described(self):
        connection = Connection(self.socket)
        connection.request("GET", "/v1/events")
        stream = connection.getresponse()
        self.assertEqual(stream.getheader("content-type"), "text/event-stream")
        while stream.readline().strip():
            pass  # the first comment: from now on
        self.ask("PUT", "/v1/nodes/{id}", "/v1/nodes/vm1", {"addresses": ["10.10.0.9"]}, 201)
        lines = []
        while not lines or lines[-1]:
            lines.append(stream.readline().decode().rstrip("\n"))
        connection.close()
        fields = dict(line.split(": ", 1) for line in lines if line)
        event = json.loads(fields["data"])
        self.api.check(event, {"$ref": "#/components/schemas/Event"}, "event")
        self.assertEqual((fields["event"], fields["id"]), (event["kind"], str(event["revision"])))

    def test_a_long_list_comes_in_pieces_that_have_each_node_once(self):
        for i in range(1, 10):
            self.ask("PUT", "/v1/nodes/{id}", f"/v1/nodes/vm{i}", {"addresses": [f"10.10.1.{i}"]}, 201)
        met, after = [], ""
        while after is not None:
            piece = self.ask("GET", "/v1/nodes", f"/v1/nodes?limit=4{after}")
            self.assertLessEqual(len(piece["nodes"]), 4)
            met += [node["id"] for node in piece["nodes"]]
            after = f"&after={piece['next']}" if "next" in piece else None
        self.assertEqual(sorted(met), sorted(["fixed"] + [f"vm{i}" for i in range(1, 10)]))
        whole = [node["id"] for node in self.ask("GET", "/v1/nodes")["nodes"]]
        self.assertEqual(whole, sorted(met))

    def test_pieces_that_cannot_be_are_refused(self):
        for query in ["limit=x", "limit=-1", "limit=1001", "limit=5&after=x", "after=3",
                      "limit=99999999999999999999"]:
            self.ask("GET", "/v1/nodes", f"/v1/nodes?{query}", expected=400)
            self.ask("GET", "/v1/attachments", f"/v1/attachments?{query}", expected=400)
        self.assertEqual(self.ask("GET", "/v1/nodes", f"/v1/nodes?limit=5&after={2**64 - 2}"),
                         {"nodes": []})

    def test_a_restart_has_a_later_term_and_the_nodes(self):
        self.ask("PUT", "/v1/nodes/{id}", "/v1/nodes/vm1", {"addresses": ["10.10.0.9"]}, 201)
        term = self.ask("GET", "/v1/status")["term"]
        self.stop()
        self.assertFalse(os.path.exists(self.socket))
        self.start()
        self.assertEqual(self.ask("GET", "/v1/status")["term"], term + 1)
        self.ask("GET", "/v1/nodes/{id}", "/v1/nodes/vm1")

    def test_kill_9_keeps_what_was_acknowledged(self):
        self.ask("PUT", "/v1/nodes/{id}", "/v1/nodes/vm1", {"addresses": ["10.10.0.9"]}, 201)
        self.controller.kill()
        self.controller.wait(20)
        os.rename(self.socket, self.socket + ".old")  # to see the new one appear
        self.start()
        self.ask("GET", "/v1/nodes/{id}", "/v1/nodes/vm1")

    def test_a_backup_is_a_store_that_another_controller_starts_with(self):
        self.ask("PUT", "/v1/nodes/{id}", "/v1/nodes/vm1", {"addresses": ["10.10.0.9"]}, 201)
        connection = Connection(self.socket)
        connection.request("GET", "/v1/backup")
        response = connection.getresponse()
        described = self.api.response("/v1/backup", "get", response.status)
        self.assertIn(response.getheader("content-type"), described["content"])
        backup = response.read()
        connection.close()
        self.ask("DELETE", "/v1/nodes/{id}", "/v1/nodes/vm1", expected=204)
        self.stop()
        store = os.path.join(self.directory.name, "state", "controller.db")
        for name in os.listdir(os.path.dirname(store)):
            os.unlink(os.path.join(os.path.dirname(store), name))
        with open(store, "wb") as file:
            file.write(backup)
        self.start()
        self.ask("GET", "/v1/nodes/{id}", "/v1/nodes/vm1")

    def reload_until(self, addresses):
        self.controller.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while self.ask("GET", "/v1/nodes/{id}", "/v1/nodes/fixed")["addresses"] != addresses:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_sighup_takes_over_nodes_and_leaves_the_others(self):
        self.ask("PUT", "/v1/nodes/{id}", "/v1/nodes/vm1", {"addresses": ["10.10.0.9"]}, 201)
        self.write_config(["10.10.0.6"])
        self.reload_until(["10.10.0.6"])
        self.ask("GET", "/v1/nodes/{id}", "/v1/nodes/vm1")
        self.write_config(["192.0.2.1"])  # in no prefix: refused as a whole
        self.controller.send_signal(signal.SIGHUP)
        self.write_config(["10.10.0.7"])
        self.reload_until(["10.10.0.7"])

    def test_a_second_controller_says_why_it_does_not_start(self):
        second = subprocess.run([CONTROLLER, "--config", self.config], capture_output=True,
                                text=True, timeout=20)
        self.assertEqual(second.returncode, 1)
        self.assertIn("in use by another victor-controller", second.stderr)
        self.ask("GET", "/v1/status")  # and does the first no harm

    def test_every_path_that_is_described_exists(self):
        for pattern, methods in self.api.document["paths"].items():
            if pattern == "/v1/events":
                continue
            path = re.sub(r"\{.*?\}", "nobody", pattern)
            for method in set(methods) & {"get", "put", "post", "delete"}:
                connection = Connection(self.socket)
                connection.request(method.upper(), path)
                response = connection.getresponse()
                text = response.read().decode(errors="replace")
                connection.close()
                self.assertNotEqual(response.status, 405, (method, path))
                self.assertNotIn("no such path", text, (method, path))


if __name__ == "__main__":
    unittest.main()
