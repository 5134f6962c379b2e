#!/usr/bin/env python3
"""Checks that `zimage` and Hugging Face's own library find what the other downloaded. Linux; needs the built command.

    pip install "huggingface_hub>=1.0"
    python3 zimage-examples/e2e/hub.py            # --zimage COMMAND runs another than the jar that the build makes

A hub on this machine has the demo model under the name of test/demo-model. In turn: the cache and the folder that each of the two writes is read by
the other, without a file being asked for again and without a connection; both download at once; and `generate` is asked on a terminal and without one.
"""

import argparse
import hashlib
import http.server
import json
import os
import pathlib
import pty
import shlex
import subprocess
import sys
import tempfile
import threading
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
DEMO = HERE.parent / "demo-model"
NAME = "test/demo-model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 100_000
PARTS = ["model_index.json", "scheduler/*", "tokenizer/tokenizer*.json", "text_encoder/*", "transformer/*", "vae/*"]


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of huggingface.co as a download asks for."""

    protocol_version = "HTTP/1.1"
    files = {str(f.relative_to(DEMO)): f.read_bytes() for f in sorted(DEMO.rglob("*")) if f.is_file()}
    asked = []

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, body):
        path = urllib.parse.unquote(urllib.parse.urlparse(self.path).path)
        Hub.asked.append((self.command, path))
        model = f"/api/models/{NAME}"
        if path in (model, f"{model}/revision/main", f"{model}/revision/{COMMIT}"):
            return self.send(json.dumps({"id": NAME, "modelId": NAME, "sha": COMMIT, "siblings": []}).encode(), body)
        if path == f"{model}/tree/{COMMIT}":
            return self.send(json.dumps([self.entry(name) for name in self.files]).encode(), body)
        start = f"/{NAME}/resolve/"
        name = path[len(start):].split("/", 1)[-1]
        if path.startswith(start) and name in self.files:
            content, headers = self.files[name], {"X-Repo-Commit": COMMIT, "ETag": f'"{digest(self.files[name])}"'}
            if self.headers.get("Range"):
                first = int(self.headers["Range"][6:].split("-")[0])
                headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
                return self.send(content[first:], body, 206, headers)
            return self.send(content, body, 200, headers)
        self.send(b"", body, 404, {"X-Error-Code": "EntryNotFound"})

    def entry(self, name):
        content = self.files[name]
        entry = {"type": "file", "path": name, "size": len(content), "oid": git(content)}
        if len(content) >= LARGE:
            entry["lfs"] = {"oid": digest(content), "size": len(content), "pointerSize": 134}
        return entry

    def send(self, content, body, status=200, headers=()):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


def git(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def digest(content):
    return hashlib.sha256(content).hexdigest() if len(content) >= LARGE else git(content)


def contents_asked():
    """Files whose content was asked for since this was called last."""
    asked = [path for command, path in Hub.asked if command == "GET" and "/resolve/" in path]
    Hub.asked.clear()
    return asked


def check(what, condition, found=""):
    print(("ok      " if condition else "FAILED  ") + what, "" if condition else found, flush=True)
    if not condition:
        check.failed = True


check.failed = False

PYTHON = """
import sys, json
from huggingface_hub import snapshot_download, hf_hub_download, scan_cache_dir
what, argument = sys.argv[1], json.loads(sys.argv[2])
if what == "snapshot":
    print(snapshot_download(**argument))
elif what == "files":
    for name in argument["names"]:
        print(hf_hub_download(argument["repo_id"], name))
else:
    found = scan_cache_dir()
    print(len(found.repos), len(found.warnings), sum(len(r.files) for repo in found.repos for r in repo.revisions))
"""


class World:
    """A user with an empty home and this hub."""

    def __init__(self, command, endpoint, folder):
        self.command, self.folder = command, folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "ZIMAGE_MODEL"))}
        self.environment |= {"HF_HOME": str(folder / "hf"), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1",
                             "HF_HUB_DISABLE_TELEMETRY": "1"}

    def zimage(self, *arguments, **environment):
        return subprocess.run([*self.command, *arguments], cwd=self.folder, env=self.environment | environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def python(self, what, offline=False, **argument):
        run = subprocess.run([sys.executable, "-c", PYTHON, what, json.dumps(argument)], cwd=self.folder, text=True,
                             env=self.environment | ({"HF_HUB_OFFLINE": "1"} if offline else {}), capture_output=True)
        return run.stdout.split("\n")[:-1] if run.returncode == 0 else [run.stderr]

    def on_terminal(self, answer, *arguments):
        """Runs the command on a terminal of its own and types an answer. Returns the exit code and all that was shown."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execvpe(self.command[0], [*self.command, *arguments], self.environment | {"TERM": "xterm"})
        shown, answered = b"", False
        while True:
            try:
                some = os.read(terminal, 4096)
            except OSError:
                break
            if not some:
                break
            shown += some
            if b"[y/N]" in shown and not answered:
                os.write(terminal, answer.encode() + b"\n")
                answered = True
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(errors="replace")


def theirs_reads_ours(world):
    run = world.zimage("pull", NAME)
    folder = run.stdout.strip()
    check("zimage pull ends well and prints the folder alone", run.returncode == 0 and folder.endswith(COMMIT), run)
    ours = sorted(path.split("/resolve/")[1].split("/", 1)[1] for path in contents_asked())
    check("it asked for each file once", len(ours) == len(set(ours)) > 5, ours)
    found = world.python("snapshot", repo_id=NAME, local_files_only=True)
    check("snapshot_download(local_files_only) finds it", found == [folder], found)
    found = world.python("files", True, repo_id=NAME, names=ours)
    check("hf_hub_download offline finds each file", found == [f"{folder}/{name}" for name in ours], found)
    found = world.python("snapshot", repo_id=NAME, allow_patterns=PARTS)
    again = [path for path in contents_asked() if any(path.endswith("/" + name) for name in ours)]
    check("snapshot_download online asks for none of them again", found == [folder] and not again, (found, again))
    found = world.python("scan")
    check("scan_cache_dir has no complaint", found[0].startswith("1 0 "), found)
    check("the contents are those of the hub", all((pathlib.Path(folder) / n).read_bytes() == Hub.files[n] for n in ours))


def ours_reads_theirs(world):
    folder = world.python("snapshot", repo_id=NAME)[0]
    check("snapshot_download has made a snapshot", folder.endswith(COMMIT), folder)
    contents_asked()
    run = world.zimage("pull", NAME)
    check("zimage pull finds it and asks for no file", run.stdout.strip() == folder and not contents_asked(), run)
    run = world.zimage("generate", "--model", NAME, "a fox", "--size", "128", "--steps", "2", "--out", "fox.png")
    check("generate --model NAME draws with it without a connection", run.returncode == 0 and not Hub.asked, run)


def folders(world):
    run = world.zimage("pull", NAME, "--to", "mine")
    contents_asked()
    found = world.python("snapshot", repo_id=NAME, local_dir="mine", allow_patterns=PARTS)
    check("hf finds the files of --to", not contents_asked() and found == [str(world.folder / "mine")], (run, found))
    world.python("snapshot", repo_id=NAME, local_dir="theirs")
    contents_asked()
    run = world.zimage("pull", NAME, "--to", "theirs")
    check("zimage finds the files of --local-dir", run.returncode == 0 and not contents_asked(), run)


def at_once(world):
    runs = []
    threads = [threading.Thread(target=lambda: runs.append(world.zimage("pull", NAME).returncode)),
               threading.Thread(target=lambda: runs.append(0 if world.python("snapshot", repo_id=NAME)[0].endswith(COMMIT) else 1))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    folder = world.folder / "hf/hub/models--test--demo-model/snapshots" / COMMIT
    whole = all((folder / name).read_bytes() == content for name, content in Hub.files.items())
    left = list((world.folder / "hf/hub/models--test--demo-model/blobs").glob("*incomplete*"))
    check("both at once: both end well, all is whole, nothing is left over", runs == [0, 0] and whole and not left, (runs, whole, left))


def questions(world):
    draw = ("generate", "--model", NAME, "a fox", "--size", "128", "--steps", "2", "--out", "fox.png")
    run = world.zimage(*draw)
    check("without a terminal: an error with the command", run.returncode == 3 and f"zimage pull {NAME}" in run.stderr, run)
    run = world.zimage(*draw, HF_HUB_OFFLINE="1")
    check("offline: an error that says so", run.returncode == 3 and "HF_HUB_OFFLINE" in run.stderr, run)
    code, shown = world.on_terminal("n", *draw)
    check("on a terminal: asked with size and folder; n downloads nothing",
          code == 3 and " to fetch, in " in shown and not contents_asked(), shown)
    code, shown = world.on_terminal("y", *draw)
    check("y downloads and draws", code == 0 and (world.folder / "fox.png").exists() and contents_asked(), shown)
    code, shown = world.on_terminal("n", *draw)
    check("the second time nobody is asked", code == 0 and "[y/N]" not in shown and not Hub.asked, shown)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zimage", default=f"java -jar {HERE.parent / 'target' / 'zimage.jar'}")
    command = shlex.split(parser.parse_args().zimage)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for test in (theirs_reads_ours, ours_reads_theirs, folders, at_once, questions):
        with tempfile.TemporaryDirectory() as folder:
            Hub.asked.clear()
            test(World(command, f"http://127.0.0.1:{server.server_port}", pathlib.Path(folder)))
    sys.exit(check.failed)


if __name__ == "__main__":
    main()
