#!/usr/bin/env bash
# Checks every config of a folder and makes each claim a test: the whole of the action, so that it can be run anywhere.
#   CONFIGS=configs FULL=false PACKAGE= bash check.sh
set -euo pipefail
python=${PYTHON:-python}
configs=${CONFIGS:-configs}
if [ -n "${PACKAGE:-}" ]; then
  "$python" -m pip install --quiet --disable-pip-version-check "$PACKAGE" pytest
fi
options=()
if [ "${FULL:-false}" = true ]; then
  options+=(--jaxml-full)
fi
"$python" -m jaxml validate "$configs"/*.yaml
"$python" -m pytest --jaxml ${options[@]+"${options[@]}"} "$configs"
