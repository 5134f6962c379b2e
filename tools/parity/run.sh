#!/usr/bin/env bash
# Makes parity fixtures from a seed and runs the comparison on them: run.sh --seed 7 --cases 40 [--keep DIR]
# PYTHON names the interpreter that has requirements.txt installed (default: python3).
set -euo pipefail

usage() {
    echo "usage: $0 --seed S --cases N [--keep DIR]" >&2
    exit 2
}

seed='' cases='' keep=''
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 ]] || usage
    case "$1" in
        --seed) seed=$2 ;;
        --cases) cases=$2 ;;
        --keep) keep=$2 ;;
        *) usage ;;
    esac
    shift 2
done
[[ -n "$seed" && -n "$cases" ]] || usage

tools=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$tools/../.." && pwd)
python=${PYTHON:-python3}
if [[ -n "$keep" ]]; then
    mkdir -p "$keep"
    fixtures=$(cd "$keep" && pwd)
else
    fixtures=$(mktemp -d)
    trap 'rm -rf "$fixtures"' EXIT
fi

"$python" "$tools/make_fixtures.py" --seed "$seed" --cases "$cases" --out "$fixtures"
"$python" "$tools/make_picture_fixtures.py" --seed "$seed" "$fixtures"
"$python" "$tools/check.py" "$fixtures" --without-tensors
cd "$root"
mvn=mvn
[[ -x ./mvnw ]] && mvn=./mvnw
"$mvn" -q -B -pl zimage-core test -Dtest='ParityTest,PictureParityTest' -Dsurefire.failIfNoSpecifiedTests=false -Dzimage.parity="$fixtures"
