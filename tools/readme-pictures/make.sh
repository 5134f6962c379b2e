#!/usr/bin/env bash
# Draws the pictures in docs/images again, with the command that `mvn package` built.
set -euo pipefail
cd "$(dirname "$0")/../.."
unset ZIMAGE_MODEL
zimage() { java -jar zimage-examples/target/zimage.jar "$@"; }
sheet() { java tools/readme-pictures/ContactSheet.java "$@"; }
mkdir -p docs/images
drawn=$(mktemp -d)
trap 'rm -r "$drawn"' EXIT

zimage generate "a fox on the left and a tree on the right, yellow background" --seed 1 --out docs/images/fox-and-tree.png
number=100
while IFS= read -r prompt; do
    zimage generate "$prompt" --seed 1 --out "$drawn/$number.png" </dev/null
    number=$((number + 1))
done <tools/readme-pictures/prompts.txt
sheet docs/images/sheet.png 4 "$drawn"/1*.png
