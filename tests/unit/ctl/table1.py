#!/usr/bin/python3
"""victorctl against a server that answers as the controller does: what people see.

    table1.py PATH/TO/victorctl
"""

import http.server
import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
import unittest

VICTORCTL = sys.argv.pop(1) if len(sys.argv) > 1 else "victorctl"


def local(address, port, mac):
    return {"table": 3, "table_name": "binding", "priority": 200, "kind": "local",
            "flow": f"nw_dst={address}", "action": f"mod_dl_dst:{mac},out:{port}",
            "address": address, "vrf": 0, "port": port, "port_name": f"p{port}", "vlan": 0,
            "mac": mac, "towards": None, "towards_id": None, "version": "1.2",
            "packets": 1, "bytes": 2}


def foreign(address, element):
    return {"table": 3, "table_name": "binding", "priority": 100, "kind": "foreign",
            "flow": f"nw_dst={address}", "action": "group:3,out:0", "address": address, "vrf": 0,
            "port": None, "port_name": None, "vlan": None, "mac": None, "towards": element,
            "towards_id": 3, "version": "1.2", "packets": 0, "bytes": 0}


ANSWERS = {
    "/v1/elements/FE2/forwarding": {"element": "fe2", "rules": [
        {"table": 0, "table_name": "port", "priority": 100, "kind": "admit", "flow": "in_port=2",
         "action": "goto:1", "address": None, "vrf": 0, "version": None, "packets": 0, "bytes": 0},
        foreign("10.4.5.1", "fe3"),
        local("10.10.0.36", 3, "52:54:00:00:00:03"),
        local("10.10.0.11", 2, "52:54:00:00:00:02"),
        local("10.2.3.1", 2, "52:54:00:00:00:01"),
    ]},
    "/v1/nodes": {"nodes": []},
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = ANSWERS.get(self.path.partition("?")[0])
        body = json.dumps(answer or {"error": "no element 'fe9'"}).encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Victorctl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.path = os.path.join(cls.directory.name, "s")
        cls.server = Server(cls.path, Handler)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()
        cls.directory.cleanup()

    def run_ctl(self, *arguments):
        return subprocess.run([VICTORCTL, "--server", f"unix:{self.path}", *arguments],
                              capture_output=True, text=True, timeout=20)

    def test_forwarding_is_the_papers_table_1(self):
        lines = self.run_ctl("show", "forwarding", "FE2").stdout.splitlines()
        self.assertEqual([line.split()[:2] for line in lines], [
            ["Flow", "Action"],
            ["nw_dst=10.2.3.1", "mod_dl_dst,out:2"],
            ["nw_dst=10.10.0.11", "mod_dl_dst,out:2"],
            ["nw_dst=10.10.0.36", "mod_dl_dst,out:3"],
            ["nw_dst=10.4.5.1", "out:0"],
        ])
        self.assertEqual(lines[4].split()[2], "fe3")

    def test_forwarding_has_a_form_for_programs(self):
        rows = json.loads(self.run_ctl("show", "forwarding", "FE2", "--json").stdout)["forwarding"]
        self.assertEqual(rows[0]["flow"], "nw_dst=10.2.3.1")
        self.assertEqual(rows[3]["action"], "out:0")

    def test_all_shows_every_table(self):
        self.assertIn("in_port=2", self.run_ctl("show", "forwarding", "FE2", "--all").stdout)

    def test_an_empty_list_says_what_to_do(self):
        self.assertIn("victorctl node add", self.run_ctl("show", "nodes").stdout)

    def test_a_refusal_is_the_controllers_own_words(self):
        result = self.run_ctl("show", "forwarding", "fe9")
        self.assertEqual((result.returncode, result.stderr),
                         (1, "victorctl: no element 'fe9'\n"))

    def test_wrong_usage_is_2(self):
        for arguments in [[], ["show"], ["nonsense"], ["show", "ports"], ["node", "add", "x"],
                          ["show", "links", "--all"], ["show", "links", "--nonsense"]]:
            self.assertEqual(self.run_ctl(*arguments).returncode, 2, arguments)

    def test_each_command_has_help(self):
        for line in self.run_ctl("--help").stdout.splitlines():
            if line.startswith("  ") and line[2].isalpha():
                words = line[2:22].split()
                self.assertIn("Usage: victorctl " + " ".join(words),
                              self.run_ctl(*words, "--help").stdout)


if __name__ == "__main__":
    unittest.main()
