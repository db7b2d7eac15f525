#!/bin/sh
# Makes .venv and installs headframe into it: venv.sh PYTHON EXTRAS
set -eu
python=$1 extras=$2
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "headframe needs Python 3.11 or later; $python is $("$python" --version 2>&1). Try: make PYTHON=python3.11" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" != 0 ]; then
        echo "missing: python3-venv. Ask an administrator for: apt-get install python3-venv" >&2
        exit 1
    fi
    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi
echo "installing headframe[$extras] into .venv (a few minutes the first time)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install -q --disable-pip-version-check --upgrade pip
.venv/bin/python -m pip install -q --disable-pip-version-check -e ".[$extras]"
