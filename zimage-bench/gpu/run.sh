#!/usr/bin/env bash
# Runs the GPU check out of its archive: writes a full-size checkpoint with random weights (20 GB, to WORK, by default /dev/shm), then draws with it and
# with the demo model on the CPU and the card. Takes about five minutes. CUDA's libraries are found as docs/cuda.md says; ZIMAGE_CUDA_PATH names them.
#   run.sh RESULTS [PART...]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
results=$(mkdir -p "${1:?folder for results}" && cd "$1" && pwd)
shift
work=${WORK:-/dev/shm}
zimage() { "$here/jre/bin/java" -Dorg.bytedeco.javacpp.cachedir="$here/cache" -cp "$here/lib/*" "$@"; }
zimage io.github.zimage.examples.Main doctor | tee "$results/doctor.txt"
[ -e "$work/zimage-check/model_index.json" ] || zimage io.github.zimage.examples.Main synth "$work/zimage-check" --size turbo
zimage io.github.zimage.bench.Main gpu-check --model "$work/zimage-check" --small-model "$here/demo-model" \
    --out "$results/results.json" "$@" 2>&1 | tee "$results/log.txt"
