#!/usr/bin/env bash
# Runs the GPU check out of its archive: looks for the card, writes a full-size checkpoint with random weights (20 GB, to WORK, by default /dev/shm) and
# draws with it, and with a tiny one on the CPU and the card. Takes about five minutes and ends after eight. CUDA's libraries are found as
# docs/cuda.md says; ZIMAGE_CUDA_PATH names them. JAVA_OPTS are system properties, such as -Dzimage.flash3.path=FILE, split at spaces.
#   run.sh RESULTS [PART...]
# The exit status is the number of parts that failed or were not done.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
results=$(mkdir -p "${1:?folder for results}" && cd "$1" && pwd)
shift
read -ra options <<<"${JAVA_OPTS:-}"
"$here/jre/bin/java" ${options[@]+"${options[@]}"} -Dorg.bytedeco.javacpp.cachedir="$here/cache" -cp "$here/lib/*" io.github.zimage.bench.Main gpu-check \
    --model "${WORK:-/dev/shm}/zimage-check" --out "$results/results.json" "$@" 2>&1 | tee "$results/log.txt"
