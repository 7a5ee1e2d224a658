#!/bin/sh
# Makes a virtual environment, or says what this machine lacks for one. Usage: venv.sh FOLDER
set -u
python="${PYTHON:-python3}"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "Python 3.10 or later is needed; \"$python\" is not one." >&2
    echo "Install it (Debian, Ubuntu: apt install python3 python3-venv), or say: make PYTHON=…" >&2
    exit 1
fi
[ -x "$1/bin/python" ] && "$1/bin/python" -m pip --version >/dev/null 2>&1 && exit 0
rm -rf "$1"
if ! "$python" -m venv "$1" >"${TMPDIR:-/tmp}/liminal-venv.$$" 2>&1; then
    cat "${TMPDIR:-/tmp}/liminal-venv.$$" >&2
    echo "\"$python\" cannot make a virtual environment (Debian, Ubuntu: apt install python3-venv)." >&2
    rm -rf "$1" "${TMPDIR:-/tmp}/liminal-venv.$$"
    exit 1
fi
rm -f "${TMPDIR:-/tmp}/liminal-venv.$$"
