#!/usr/bin/env python3
"""Asks OSV for security advisories of all that the build resolves. Needs a network; the build itself reads advisories.xml.

    python3 tools/advisories.py            says which of the versions in use have advisories; ends with 1 if any has
    python3 tools/advisories.py --write    also writes advisories.xml anew, with every range of versions that has one
"""

import argparse
import datetime
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH = 500  # OSV takes 1000 queries at once

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!--
  Versions of what the build resolves that have published security advisories. Maven Enforcer reads it in every build, with or without a network.
  tools/advisories.py asks OSV (https://osv.dev) and writes it anew. Last written by it on {date}.
-->
<enforcer>
  <rules>
    <bannedDependencies>
      <message>This version has a published security advisory; advisories.xml names it.</message>
      <excludes>
"""
TAIL = """      </excludes>
    </bannedDependencies>
  </rules>
</enforcer>
"""


def resolved():
    """Returns the artifacts that the modules resolve, tests' included, as {"group:artifact": {version, ...}}."""
    with tempfile.TemporaryDirectory() as folder:
        listing = pathlib.Path(folder, "list.txt")
        command = ["mvn", "-B", "-ntp", "-q", "dependency:list", "-DincludeScope=test", "-DappendOutput=true",
                   "-Denforcer.skip", "-DexcludeGroupIds=io.github.zimage", f"-DoutputFile={listing}"]
        subprocess.run(command, cwd=ROOT, check=True)
        return artifacts(listing.read_text(encoding="utf-8"))


def artifacts(listing):
    """Reads lines such as "   org.slf4j:slf4j-api:jar:2.0.20:compile -- module org.slf4j"."""
    found = {}
    for line in listing.splitlines():
        parts = re.sub(r"\x1b\[[0-9;]*m", "", line).strip().split(" ", 1)[0].split(":")
        if len(parts) in (5, 6) and parts[-1] in ("compile", "runtime", "provided", "test", "system"):
            found.setdefault(":".join(parts[:2]), set()).add(parts[-2])
    return found


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def query(osv, queries):
    """Returns the numbers of the advisories for each query."""
    found = []
    for start in range(0, len(queries), BATCH):
        part = queries[start:start + BATCH]
        for one, result in zip(part, ask(f"{osv}/v1/querybatch", {"queries": part})["results"], strict=True):
            numbers = [vulnerability["id"] for vulnerability in result.get("vulns", [])]
            while result.get("next_page_token"):
                result = ask(f"{osv}/v1/query", one | {"page_token": result["next_page_token"]})
                numbers += [vulnerability["id"] for vulnerability in result.get("vulns", [])]
            found.append(numbers)
    return found


def ranges(advisory, name):
    """Returns the versions of an artifact that an advisory is about, in Maven's notation."""
    found = []
    for affected in advisory.get("affected", []):
        package = affected.get("package", {})
        if package.get("ecosystem") != "Maven" or package.get("name") != name:
            continue
        spans = [span for span in affected.get("ranges", []) if span.get("type") in ("ECOSYSTEM", "SEMVER")]
        for span in spans:
            found += intervals(span.get("events", []))
        if not spans:
            found += [f"[{version}]" for version in affected.get("versions", [])]
    return found


def intervals(events):
    found, start = [], None
    for event in events:
        if "introduced" in event:
            start = "(" if event["introduced"] == "0" else f"[{event['introduced']}"
        elif start is not None and ("fixed" in event or "last_affected" in event):
            end = f"{event['fixed']})" if "fixed" in event else f"{event['last_affected']}]"
            found.append(f"{start},{end}")
            start = None
    return found + ([f"{start},)"] if start is not None else [])


def named(advisory):
    return ", ".join([advisory["id"], *(alias for alias in advisory.get("aliases", []) if alias.startswith("CVE-"))])


def entries(names, numbers, advisories):
    """Returns the lines of advisories.xml."""
    lines = []
    for name, of_name in zip(names, numbers, strict=True):
        by_range = {}
        for number in of_name:
            if "withdrawn" not in advisories[number]:
                for versions in ranges(advisories[number], name):
                    by_range.setdefault(versions, []).append(named(advisories[number]))
        for versions, why in sorted(by_range.items()):
            comment = ", ".join(sorted(set(why))).replace("--", "- -")
            lines.append(f"        <exclude>{escape(name)}:{escape(versions)}</exclude> <!-- {comment} -->\n")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write advisories.xml")
    parser.add_argument("--osv", default="https://api.osv.dev", help="address of OSV (default: %(default)s)")
    parser.add_argument("--list", type=pathlib.Path, help="a list by dependency:list, instead of running Maven")
    parser.add_argument("--file", type=pathlib.Path, default=ROOT / "advisories.xml", help="what to write (default: %(default)s)")
    arguments = parser.parse_args()
    used = artifacts(arguments.list.read_text(encoding="utf-8")) if arguments.list else resolved()
    if not used:
        sys.exit("no artifacts were resolved")
    names = sorted(used)
    pairs = [(name, version) for name in names for version in sorted(used[name])]
    of_pairs = query(arguments.osv, [{"package": {"ecosystem": "Maven", "name": name}, "version": version} for name, version in pairs])
    of_names = query(arguments.osv, [{"package": {"ecosystem": "Maven", "name": name}} for name in names])
    advisories = {number: ask(f"{arguments.osv}/v1/vulns/{number}") for number in sorted({n for ns in of_names + of_pairs for n in ns})}
    if arguments.write:
        date = datetime.datetime.now(datetime.timezone.utc).date()
        arguments.file.write_text(HEAD.format(date=date) + "".join(entries(names, of_names, advisories)) + TAIL, encoding="utf-8")
    bad = 0
    for (name, version), numbers in zip(pairs, of_pairs, strict=True):
        for number in numbers:
            if "withdrawn" not in advisories[number]:
                bad += 1
                print(f"{name} {version}: {named(advisories[number])}: {advisories[number].get('summary', '')}")
    print(f"{len(pairs)} artifacts, {bad} advisories for the versions in use")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
