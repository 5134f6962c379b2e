#!/usr/bin/env python3
"""Checks a staged release, file by file: check.py FOLDER VERSION. Needs gpg with the key that signed."""
import hashlib
import io
import subprocess
import sys
import xml.etree.ElementTree as xml
import zipfile
from pathlib import Path

GROUP = "io/github/zimage"
# What each module publishes: a "jar" brings sources and Javadoc, the parent's "pom" the bill of materials.
ARTIFACTS = {
    "zimage-parent": "pom",
    "zimage-core": "jar",
    "zimage-prompt-zh": "jar",
    "zimage-cuda": "jar",
    "zimage-demo": "jar",
    "zimage-bom": "bom",
    "zimage-langchain4j": "jar",
    "zimage-spring-boot-starter": "jar",
}
# What Maven Central takes a release: 80 MB as a mean of three months.
MOST_BYTES = 80_000_000
POM = {"x": "http://maven.apache.org/POM/4.0.0"}
REQUIRED = ["name", "description", "url", "licenses/x:license/x:name", "developers/x:developer", "scm/x:url", "scm/x:connection"]

problems = []


def expect(good, text):
    if not good:
        problems.append(text)


def signed_and_summed(file):
    signature = file.with_name(file.name + ".asc")
    expect(signature.is_file(), f"{file.name}: no signature")
    if signature.is_file():
        verified = subprocess.run(["gpg", "--quiet", "--verify", signature, file], capture_output=True).returncode
        expect(verified == 0, f"{file.name}: the signature does not fit")
    for digest in ("md5", "sha1"):
        sums = file.with_name(f"{file.name}.{digest}")
        expect(sums.is_file(), f"{file.name}: no {digest}")
        if sums.is_file():
            expect(sums.read_text().split()[0] == hashlib.new(digest, file.read_bytes()).hexdigest(), f"{sums.name}: is not the file's")


def check_pom(file, version, parent):
    text = file.read_text()
    expect("SNAPSHOT" not in text, f"{file.name}: names a SNAPSHOT")
    root = xml.fromstring(text)
    inherited = xml.fromstring(parent.read_text())
    for path in REQUIRED:
        found = [node for node in (root, inherited) if node.find("x:" + path, POM) is not None]
        expect(found, f"{file.name}: has no {path.replace('x:', '')}, nor has its parent")


def check_jar(file, artifact, version):
    jar = zipfile.ZipFile(io.BytesIO(file.read_bytes()))
    expect(jar.testzip() is None, f"{file.name}: is damaged")
    names = set(jar.namelist())
    for name in ("META-INF/LICENSE", "META-INF/NOTICE"):
        expect(name in names, f"{file.name}: has no {name}")
    manifest = jar.read("META-INF/MANIFEST.MF").decode()
    expect("module-info.class" in names or "Automatic-Module-Name: " in manifest, f"{file.name}: has no module name")
    expect(f"Implementation-Version: {version}" in manifest, f"{file.name}: its manifest does not say {version}")
    expect(not any(name.endswith((".so", ".dll", ".dylib")) for name in names), f"{file.name}: brings native libraries")
    expect(any(name.endswith(".class") and name != "module-info.class" for name in names), f"{file.name}: has no classes")


def check_artifact(folder, artifact, packaging, version):
    stem = f"{artifact}-{version}"
    wanted = {f"{stem}.pom"}
    if packaging == "jar":
        wanted |= {f"{stem}.jar", f"{stem}-sources.jar", f"{stem}-javadoc.jar"}
    elif packaging == "pom":
        wanted |= {f"{stem}-cyclonedx.json", f"{stem}-cyclonedx.xml"}
    present = {file.name for file in folder.iterdir() if not file.name.endswith((".asc", ".md5", ".sha1"))}
    expect(present == wanted, f"{artifact}: has {sorted(present)}, and should have {sorted(wanted)}")
    for name in sorted(wanted & present):
        signed_and_summed(folder / name)
    parent = folder.parent.parent / "zimage-parent" / version / f"zimage-parent-{version}.pom"
    check_pom(folder / f"{stem}.pom", version, parent)
    if packaging == "jar" and f"{stem}.jar" in present:
        check_jar(folder / f"{stem}.jar", artifact, version)
        sources = zipfile.ZipFile(folder / f"{stem}-sources.jar").namelist()
        expect(any(name.endswith(".java") for name in sources), f"{stem}-sources.jar: has no sources")
        javadoc = zipfile.ZipFile(folder / f"{stem}-javadoc.jar").namelist()
        expect("index.html" in javadoc, f"{stem}-javadoc.jar: has no index.html")


def main(root, version):
    group = Path(root) / GROUP
    present = {folder.name for folder in group.iterdir() if folder.is_dir()}
    expect(present == set(ARTIFACTS), f"published are {sorted(present)}, and should be {sorted(ARTIFACTS)}")
    for artifact in sorted(present & set(ARTIFACTS)):
        check_artifact(group / artifact / version, artifact, ARTIFACTS[artifact], version)
    size = sum(file.stat().st_size for file in group.rglob("*") if file.is_file())
    expect(size <= MOST_BYTES, f"{size} bytes are more than {MOST_BYTES}")
    for problem in problems:
        print(problem)
    files = sum(1 for file in group.rglob("*") if file.is_file())
    print(f"{files} files, {size / 1e6:.1f} MB: {f'{len(problems)} problems' if problems else 'all as they should be'}")
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
