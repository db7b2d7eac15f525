#!/bin/sh
# The script that draws the site's diagrams: one file of a package of npm, kept in build/. Without npm the site is built
# all the same, and shows the diagrams' source: nothing is ever loaded from a foreign server.
set -eu
version=11.12.0
cd "$(dirname "$0")/.."
[ -f build/mermaid/package/dist/mermaid.min.js ] && exit 0
npm=$(command -v npm || echo .venv/bin/npm)
mkdir -p build/mermaid
if "$npm" pack --silent --pack-destination build/mermaid "mermaid@$version" >/dev/null 2>&1; then
    tar -xzf "build/mermaid/mermaid-$version.tgz" -C build/mermaid package/dist/mermaid.min.js package/LICENSE
    rm "build/mermaid/mermaid-$version.tgz"
else
    echo "no npm here: diagrams are shown as their source" >&2
fi
