#!/usr/bin/env python3
"""Ends, kills and starves a `zimage serve` that is busy, and checks that nobody gets a wrong answer or none. Linux; needs the built command and Python.

    pip install supervisor                                   # for 'kill' and 'memory'; without it, a loop starts the server again
    python3 zimage-examples/e2e/faults.py [term] [kill] [disk] [memory]

term    SIGTERM under load: whoever had asked before is answered, with his picture or with 503, and the exit code is 0 within 35 s
kill    kill -9, three times, under Supervisor with the snippet of deploy/: only requests on their way may break, and all are drawn in the end
disk    the disks are full under load, with the log on one of them (needs root, for a tmpfs): nothing changes; a start says what is wrong
memory  --memory-limit lower than what the process needs: the watchdog tries all it can, then exits with 75, and Supervisor starts it again (3 minutes)
"""

import argparse
import atexit
import base64
import collections
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
JAR = HERE.parent / "target" / "zimage.jar"
SUPERVISOR = HERE.parent / "deploy" / "supervisor.conf"
SEEDS = 8
CLIENTS = 32
BROKEN = "broken"
NOT_TAKEN = "not taken"


def start(arguments, **options):
    """Starts a process that does not outlive this one, whatever goes wrong."""
    process = subprocess.Popen(arguments, **options)
    atexit.register(lambda: process.poll() is None and process.terminate())
    return process


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(port, method, path, body=None, timeout=300):
    """Returns status and body. ConnectionRefusedError if nobody listens; other OSErrors if the connection broke."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.connect()
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as e:
            raise ConnectionResetError(str(e)) from e
    finally:
        connection.close()


def wait_until(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"waited {seconds} s in vain: {what}")
        time.sleep(0.1)


def is_ready(port):
    try:
        return ask(port, "GET", "/health/ready", timeout=5)[0] == 200
    except OSError:
        return False


class Clients:
    """Ask for pictures until told to stop, and again whenever they get none."""

    def __init__(self, port):
        self.port = port
        self.stopping = False
        self.lock = threading.Lock()
        self.asked = []  # (when, until when, answer)
        self.expected = {}
        self.wrong = 0
        self.unserved = 0
        for seed in range(SEEDS):
            self.expected[seed] = self.draw(seed)[1]
        if len(set(self.expected.values())) < SEEDS:
            sys.exit("seeds have the same picture")
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def draw(self, seed):
        body = json.dumps({"prompt": "a red fox", "size": "128x128", "seed": seed, "steps": 4})
        status, answer = ask(self.port, "POST", "/v1/images/generations", body)
        return status, base64.b64decode(json.loads(answer)["data"][0]["b64_json"]) if status == 200 else answer

    def work(self, number):
        while not self.stopping:
            seed = number % SEEDS
            number += 1
            while not self.once(seed):
                if self.stopping:
                    with self.lock:
                        self.unserved += 1
                    return
                time.sleep(0.2)

    def once(self, seed):
        start = time.monotonic()
        picture = None
        try:
            answer, picture = self.draw(seed)
        except ConnectionRefusedError:
            answer = NOT_TAKEN
        except (OSError, ValueError):
            answer = BROKEN
        with self.lock:
            self.asked.append((start, time.monotonic(), answer))
            if answer == 200 and picture != self.expected[seed]:
                self.wrong += 1
            return answer == 200

    def drawn(self):
        with self.lock:
            return sum(answer == 200 for _, _, answer in self.asked)

    def draw_more(self, count):
        target = self.drawn() + count
        wait_until(lambda: self.drawn() >= target, f"{count} more pictures")

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def report(self, name, allowed, note=""):
        counts = collections.Counter(answer for _, _, answer in self.asked)
        print(f"{name}: answers {dict(counts)}, wrong pictures {self.wrong}{note}", flush=True)
        return self.wrong == 0 and set(counts) <= set(allowed)


def command(port, *more, java=()):
    return ["java", "-Xmx512m", *java, "-jar", str(JAR), "serve", "--port", str(port), "--queue", "100", "--threads", "1", *more]


def term(folder):
    port = free_port()
    with open(folder / "term.log", "w") as log:
        server = start(command(port), stdout=log, stderr=log)
        wait_until(lambda: is_ready(port), "ready")
        clients = Clients(port)
        clients.draw_more(50)
        told = time.monotonic()
        server.send_signal(signal.SIGTERM)
        code = server.wait(60)
        seconds = time.monotonic() - told
    clients.stop()
    before = [answer for start, _, answer in clients.asked if start < told]
    running = [answer for start, end, answer in clients.asked if start < told < end]
    good = clients.report("term", [200, 503, NOT_TAKEN, BROKEN], f"; on their way: {dict(collections.Counter(running))}; exit {code} after {seconds:.1f} s")
    return good and set(before) <= {200, 503} and code == 0 and seconds < 35


class Supervised:
    """A server under Supervisor, with the snippet of deploy/, or under a loop."""

    def __init__(self, folder, port, *more, java=()):
        self.port = port
        self.folder = folder
        line = " ".join(command(port, *more, java=java))
        found = shutil.which("supervisord") or pathlib.Path(sys.executable).with_name("supervisord")
        if pathlib.Path(found).exists():
            text = SUPERVISOR.read_text()
            text, count = re.subn(r"(?m)^command=.*$", f"command={line}", text)
            assert count == 1
            text = re.sub(r"(?m)^user=.*\n", "", text)  # there is no such user here
            text += f"stdout_logfile={folder}/server.log\n[supervisord]\nnodaemon=true\nlogfile={folder}/supervisord.log\npidfile={folder}/supervisord.pid\n"
            (folder / "supervisord.conf").write_text(text)
            self.by = "supervisord"
            arguments = [str(found), "-c", str(folder / "supervisord.conf")]
        else:
            self.by = "a loop"
            arguments = ["sh", "-c", f"trap : TERM; until {line} >>{folder}/server.log 2>&1; do echo exit status $?; done"]
        with open(folder / "supervisor.out", "w") as out:
            self.process = start(arguments, stdout=out, stderr=out)
        wait_until(lambda: is_ready(port), "ready")

    def server(self):
        found = subprocess.run(["pgrep", "-P", str(self.process.pid), "java"], capture_output=True, text=True).stdout.split()
        return int(found[0]) if found else None

    def exits(self):
        text = (self.folder / ("supervisord.log" if self.by == "supervisord" else "supervisor.out")).read_text()
        return re.findall(r"exit status (\d+)|terminated by (\w+)", text)

    def stop(self):
        server = self.server()
        self.process.send_signal(signal.SIGTERM)
        if self.by != "supervisord" and server:
            os.kill(server, signal.SIGTERM)
        self.process.wait(60)


def kill(folder):
    port = free_port()
    supervised = Supervised(folder, port)
    clients = Clients(port)
    broken_by_kills = 0
    kills = []
    for _ in range(3):
        clients.draw_more(60)
        victim = supervised.server()
        kills.append(time.monotonic())
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: supervised.server() not in (None, victim) and is_ready(port), "started again")
    clients.draw_more(60)
    clients.stop()
    supervised.stop()
    for start, end, answer in clients.asked:
        if answer == BROKEN:
            broken_by_kills += any(start <= at + 0.05 and end >= at for at in kills)
    broken = sum(answer == BROKEN for _, _, answer in clients.asked)
    good = clients.report(
        "kill",
        [200, 503, NOT_TAKEN, BROKEN],
        f"; killed {len(kills)} times under {supervised.by}, {broken} requests broke, {broken_by_kills} of them on their way; clients without a picture at the end:"
        f" {clients.unserved}",
    )
    return good and broken == broken_by_kills <= len(kills) * CLIENTS and clients.unserved == 0


def fill(file):
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        os.close(descriptor)


def disk(folder):
    full = folder / "full"
    full.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(full)], capture_output=True).returncode:
        print("disk: skipped, no tmpfs could be mounted (are you root?)")
        return True
    try:
        port = free_port()
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
        (full / "tmp").mkdir()
        environment = os.environ | {"HOME": str(full), "XDG_CACHE_HOME": str(full / "cache"), "TMPDIR": str(full / "tmp")}
        java = [f"-Djava.io.tmpdir={full}/tmp", f"-Duser.home={full}", f"-Dorg.bytedeco.javacpp.cachedir={cache}/zimage-faults"]
        with open(full / "server.log", "w") as log:
            server = start(command(port, java=java), stdout=log, stderr=log, env=environment)
            wait_until(lambda: is_ready(port), "ready")
            clients = Clients(port)
            clients.draw_more(20)
            fill(full / "rest")
            written = (full / "server.log").stat().st_size
            clients.draw_more(100)
            clients.stop()
            left = shutil.disk_usage(full).free
            server.send_signal(signal.SIGTERM)
            code = server.wait(60)
        good = clients.report("disk", [200], f"; {left} bytes free, log of {written} bytes; exit {code} after SIGTERM")
        shutil.rmtree(full / "cache", ignore_errors=True)
        fill(full / "rest")
        java[2] = f"-Dorg.bytedeco.javacpp.cachedir={full}/javacpp"
        refused = subprocess.run(command(port, java=java), env=environment, capture_output=True, text=True, timeout=120)
        last = refused.stderr.strip().splitlines()[-1]
        print(f"disk: a start on a full disk ends with {refused.returncode}: {last}", flush=True)
        return good and code == 0 and refused.returncode not in (0, 75) and "\tat " not in refused.stderr and last.startswith("zimage: ")
    finally:
        subprocess.run(["umount", "-l", str(full)], check=False)


def memory(folder):
    port = free_port()
    java = ("-Xms512m", "-XX:+AlwaysPreTouch")  # a heap as large as the whole process may be
    supervised = Supervised(folder, port, "--memory-limit", "540m", java=java)
    first = supervised.server()
    clients = Clients(port)
    wait_until(lambda: supervised.server() not in (None, first), "started again", 400)
    wait_until(lambda: is_ready(port), "ready")
    clients.draw_more(60)
    clients.stop()
    supervised.stop()
    exits = [code or name for code, name in supervised.exits()]
    healed = re.findall(r"healing=(\w+)", (folder / "server.log").read_text())
    good = clients.report("memory", [200, 503, NOT_TAKEN, BROKEN], f"; {' '.join(healed)}; exits {exits} under {supervised.by}")
    # All that were admitted have been told by then; who comes in the very moment of the exit was not.
    broken = [end - start for start, end, answer in clients.asked if answer == BROKEN]
    return good and max(broken, default=0) < 0.5 and "75" in exits and clients.unserved == 0


def main():
    scenarios = {"term": term, "kill": kill, "disk": disk, "memory": memory}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", help="all if none is named")
    chosen = parser.parse_args().scenario or list(scenarios)
    if not JAR.exists():
        sys.exit(f"there is no {JAR}: build it first")
    failed = []
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="zimage-faults-", ignore_cleanup_errors=True) as folder:
            if not scenarios[name](pathlib.Path(folder)):
                failed.append(name)
                for log in sorted(pathlib.Path(folder).glob("*.log")):
                    print(f"--- {log.name}", *log.read_text().splitlines()[-15:], sep="\n")
    print("failed: " + ", ".join(failed) if failed else "all is well")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
