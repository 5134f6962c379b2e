#!/usr/bin/env bash
# Builds the commit twice, in two folders, and compares every jar to the byte.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for turn in first second-with-a-longer-name; do
  git clone -q "$root" "$work/$turn"
  (cd "$work/$turn" && mvn -B -ntp -q -DskipTests package)
  (cd "$work/$turn" && find zimage-* -path '*/target/*.jar' -not -path '*/target/lib/*' | sort | xargs sha256sum) > "$work/$turn.sums"
done
[ -s "$work/first.sums" ] || { echo "no jars were built" >&2; exit 1; }
diff "$work/first.sums" "$work/second-with-a-longer-name.sums" || { echo "these jars differ between two builds of one commit" >&2; exit 1; }
echo "$(wc -l < "$work/first.sums") jars, the same to the byte"
