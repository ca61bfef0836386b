#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs every scripts/check-*.py and clang-format over the tree; speaks TAP, one line a script.
set -u
cd "$(dirname "$0")/.." || exit 1

number=0
failures=0

# run_one NAME COMMAND...: what the command says is shown only if it fails
run_one()
{
    name=$1
    shift
    number=$((number + 1))
    if output=$("$@" 2>&1); then
        echo "ok $number $name"
    else
        printf '%s\n' "$output" | sed 's/^/# /'
        echo "not ok $number $name"
        failures=$((failures + 1))
    fi
}

formatted()
{
    find . \( -path './build*' -o -path ./.git \) -prune -o -name '*.[ch]' -print0 |
        xargs -0 -r clang-format --dry-run --Werror
}

for script in scripts/check-*.py; do
    [ -e "$script" ] || continue
    run_one "$(basename "$script" .py)" python3 "$script"
done

if command -v clang-format >/dev/null 2>&1; then
    run_one clang-format formatted
else
    number=$((number + 1))
    echo "ok $number clang-format # SKIP clang-format is not installed"
fi

echo "1..$number"
[ "$failures" -eq 0 ]
