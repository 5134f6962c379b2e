"""Packs the GPU check into an archive for a machine that has an NVIDIA driver and CUDA 13 libraries, but no internet, no Java and no Maven.

    mvn package -DskipTests
    python pack.py --capability 9.0 --part-mib 32 --natives JAR... --java-home JDK --out DIR

DIR gets `check.tar.xz.00`, `.01`, … There, `cat check.tar.xz.* | tar xJ && check/run.sh DIR-FOR-RESULTS` runs the check. LibTorch's CUDA library holds machine code
for many cards; only that of `--capability` is kept (the rest becomes zeros, which compress to nothing), so the archive runs on such cards only.
Needs `strip`, `tar`, `xz` and a JDK's `jlink`.
"""

import argparse
import collections
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
BENCH = HERE.parent
ROOT = BENCH.parent
MODULES = (
    "java.base,java.desktop,java.instrument,java.logging,java.management,java.naming,java.net.http,java.scripting,java.sql,java.xml,"
    "jdk.jfr,jdk.management,jdk.unsupported,jdk.zipfs"
)
FATBIN_MAGIC = 0xBA55ED50
# What draws charts, runs JMH or reads Chinese has no part in the check.
UNUSED = ("zimage-prompt-zh", "hanlp", "jmh", "jopt", "xchart", "batik", "xmlgraphics", "commons-", "VectorGraphics", "animated-gif", "pdfbox", "graphics2d", "fontbox")
STRIPPED = {"libtorch_cpu.so", "libtorch_cuda.so", "libjnitorch.so"}


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, **options)


def slim_fatbin(library, capability):
    """Zeroes the machine code for other capabilities in a library's .nv_fatbin section."""
    table = run("readelf", "-SW", library, capture_output=True, text=True).stdout
    section = next((line.split("PROGBITS")[1].split() for line in table.splitlines() if " .nv_fatbin " in line), None)
    if section is None:
        return
    offset, size = int(section[1], 16), int(section[2], 16)
    data = bytearray(library.read_bytes())
    kept = collections.Counter()
    position = offset
    while position < offset + size - 16:
        magic, _, header, payload = struct.unpack_from("<IHHQ", data, position)
        if magic != FATBIN_MAGIC:
            position += 8
            continue
        end = position + header + payload
        entries = list(fatbin_entries(data, position + header, end))
        runnable = [arch for _, _, arch in entries if arch <= capability and arch // 10 == capability // 10]
        older = [arch for _, _, arch in entries if arch <= capability]
        wanted = max(runnable or older, default=None)
        for start, length, arch in entries:
            if arch == wanted:
                kept[arch] += length
            else:
                data[start : start + length] = bytes(length)
        position = (end + 7) // 8 * 8
    library.write_bytes(data)
    print(f"{library.name}: kept MiB by capability", {arch: length >> 20 for arch, length in sorted(kept.items())})


def fatbin_entries(data, position, end):
    """Yields where the code of each entry begins, how long it is, and for what capability."""
    while position < end:
        _, _, header, payload = struct.unpack_from("<HHIQ", data, position)
        if not 32 <= header <= 4096:
            raise ValueError(f"no entry of a fat binary at {position:#x}")
        (arch,) = struct.unpack_from("<I", data, position + 28)
        yield position + header, payload, arch
        position += header + payload


def slim_jar(source, target, capability):
    """Copies a jar of natives without what a run does not need, uncompressed, for the archive to compress."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(source) as jar, zipfile.ZipFile(target, "w") as slim:
        for entry in jar.infolist():
            name = entry.filename
            if name.endswith("/") or "/include/" in name or "libjniopenblas_full" in name or name.endswith((".a", ".h")):
                continue
            file = pathlib.Path(jar.extract(entry, folder))
            if file.name in STRIPPED:
                run("strip", "--strip-unneeded", file)
            if file.name == "libtorch_cuda.so":
                slim_fatbin(file, capability)
            slim.write(file, name)


def jars(folder):
    """The class path of the check, without natives for other platforms."""
    others = ("-windows", "-macosx", "-android", "-ios", "-linux-arm64", "-platform-")
    return [jar for jar in sorted(folder.glob("*.jar")) if not jar.name.startswith(UNUSED) and not any(other in jar.name for other in others)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capability", default="9.0", help="compute capability of the card, such as 9.0")
    parser.add_argument("--natives", type=pathlib.Path, nargs="+", required=True, help="jars with the CUDA natives: pytorch-*-linux-x86_64-gpu.jar, cuda-*-linux-x86_64.jar, cuda-*.jar")
    parser.add_argument("--java-home", type=pathlib.Path, required=True, help="a JDK, of which a runtime is made")
    parser.add_argument("--part-mib", type=int, default=32)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    own = [
        BENCH / "target/benchmarks.jar",
        *(jar for jar in (ROOT / "zimage-cuda/target").glob("zimage-cuda-*.jar") if "-sources" not in jar.name and "-javadoc" not in jar.name),
    ]
    if len(own) < 2 or not all(jar.exists() for jar in own):
        sys.exit("benchmarks.jar or zimage-cuda's jar is missing: run mvn package first")
    capability = round(float(args.capability) * 10)
    args.out.mkdir(parents=True, exist_ok=True)
    root = args.out / "check"
    shutil.rmtree(root, ignore_errors=True)
    (root / "lib").mkdir(parents=True)
    for jar in jars(BENCH / "target/lib"):
        if jar.name.startswith("pytorch-") and jar.name.endswith("-linux-x86_64.jar"):
            continue  # --natives has the build for cards
        if jar.name.startswith("openblas-") and "linux-x86_64" in jar.name:
            slim_jar(jar, root / "lib" / jar.name, capability)
        else:
            shutil.copy(jar, root / "lib")
    for jar in args.natives:
        slim_jar(jar, root / "lib" / jar.name, capability)
    for jar in own:
        shutil.copy(jar, root / "lib")
    shutil.copy(HERE / "run.sh", root)
    run(args.java_home / "bin/jlink", "--add-modules", MODULES, "--strip-debug", "--no-header-files", "--no-man-pages", "--output", root / "jre")
    for old in args.out.glob("check.tar.xz*"):
        old.unlink()
    archive = args.out / "check.tar.xz"
    with archive.open("wb") as file:
        tar = subprocess.Popen(["tar", "c", "-C", args.out, "check"], stdout=subprocess.PIPE)
        run("xz", "-T0", "-6", stdin=tar.stdout, stdout=file)
        tar.wait()
    run("split", "-b", f"{args.part_mib}M", "-d", archive, str(archive) + ".")
    archive.unlink()
    for part in sorted(args.out.glob("check.tar.xz.*")):
        print(part, part.stat().st_size)


if __name__ == "__main__":
    main()
