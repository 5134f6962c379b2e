"""python3 -m unittest tools/test_advisories.py: the script against answers in OSV's format, without a network."""

import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import advisories

LIST = """
The following files have been resolved:
   ch.example:log-core:jar:1.5.32:compile -- module log.core
   org.example:native:jar:linux-x86_64:1.2:runtime
   org.example:tests:jar:3:test
"""
VULNERABILITIES = {
    "GHSA-1": {"id": "GHSA-1", "aliases": ["CVE-2026-1"], "summary": "bad logs", "affected": [
        {"package": {"ecosystem": "Maven", "name": "ch.example:log-core"},
         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.4.1"}, {"introduced": "1.5.0"}, {"fixed": "1.5.36"}]}]},
        {"package": {"ecosystem": "npm", "name": "ch.example:log-core"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}]},
    "GHSA-2": {"id": "GHSA-2", "affected": [
        {"package": {"ecosystem": "Maven", "name": "org.example:native"},
         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0.5"}, {"last_affected": "1.1"}]}]}]},
    "GHSA-3": {"id": "GHSA-3", "withdrawn": "2026-01-01T00:00:00Z", "affected": [
        {"package": {"ecosystem": "Maven", "name": "ch.example:log-core"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]},
}


class Osv(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/v1/query":
            self.answer({"vulns": [{"id": "GHSA-3"}]})
            return
        results = []
        for query in body["queries"]:
            name, version = query["package"]["name"], query.get("version")
            if name == "ch.example:log-core":
                results.append({"vulns": [{"id": "GHSA-1"}], "next_page_token": "more"})
            else:
                results.append({"vulns": [{"id": "GHSA-2"}]} if name == "org.example:native" and version is None else {})
        self.answer({"results": results})

    def do_GET(self):
        self.answer(VULNERABILITIES[self.path.rsplit("/", 1)[1]])

    def answer(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


class AdvisoriesTest(unittest.TestCase):
    def test_list_is_read(self):
        self.assertEqual(
            advisories.artifacts(LIST), {"ch.example:log-core": {"1.5.32"}, "org.example:native": {"1.2"}, "org.example:tests": {"3"}})

    def test_intervals(self):
        self.assertEqual(advisories.intervals([{"introduced": "0"}]), ["(,)"])
        self.assertEqual(advisories.intervals([{"introduced": "2"}, {"fixed": "3"}, {"introduced": "4"}]), ["[2,3)", "[4,)"])

    def test_used_version_is_said_and_ranges_are_written(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Osv)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with tempfile.TemporaryDirectory() as folder:
            listing, file = pathlib.Path(folder, "list"), pathlib.Path(folder, "advisories.xml")
            listing.write_text(LIST)
            run = subprocess.run(
                [sys.executable, advisories.__file__, "--write", "--osv", f"http://127.0.0.1:{server.server_port}", "--list", listing, "--file", file],
                capture_output=True, text=True, timeout=60)
            server.shutdown()
            self.assertEqual(run.stderr, "")
            self.assertEqual(run.returncode, 1)
            self.assertIn("ch.example:log-core 1.5.32: GHSA-1, CVE-2026-1: bad logs\n", run.stdout)
            self.assertIn("3 artifacts, 1 advisories", run.stdout)
            excludes = [exclude.text for exclude in xml.etree.ElementTree.parse(file).iter("exclude")]
        self.assertEqual(excludes, ["ch.example:log-core:(,1.4.1)", "ch.example:log-core:[1.5.0,1.5.36)", "org.example:native:[0.5,1.1]"])


if __name__ == "__main__":
    unittest.main()
