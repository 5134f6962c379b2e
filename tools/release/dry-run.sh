#!/usr/bin/env bash
# Makes a release in a folder, signed with a key that is thrown away, and checks every file of it. Nothing is uploaded.
#   tools/release/dry-run.sh VERSION FOLDER
set -euo pipefail
[ $# = 2 ] || { sed -n '2,3s/^# *//p' "$0" >&2; exit 2; }
version=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
[ -z "$(ls -A "$out")" ] || { echo "$out is not empty; name a new folder" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
export GNUPGHOME=$work/gnupg
trap 'gpgconf --kill all || true; rm -rf "$work"' EXIT
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-generate-key 'dry run <nobody@example.org>' default default never

git clone -q "$root" "$work/clone"
cd "$work/clone"
mvn -B -ntp -q org.codehaus.mojo:versions-maven-plugin:2.18.0:set -DnewVersion="$version" -DgenerateBackupPoms=false
mvn -B -ntp -q -P release deploy -DskipTests -Dgpg.passphrase= -DaltDeploymentRepository="local::file:$out"
python3 "$root/tools/release/check.py" "$out" "$version"
