#!/bin/sh
# SPDX-License-Identifier: MIT
# spdx.sh [--write]: names the sources whose first ten lines have no SPDX-License-Identifier, and fails if there are any;
# or writes one into them. What src/export/functions has goes into other people's files, and has none; COPYRIGHT is about
# all that is no source.
set -u
cd "$(dirname "$0")/.." || exit 1
files=$(git ls-files -co --exclude-standard '*.c' '*.h' '*.cc' '*.hpp' '*.def' '*.js' '*.sh' '*.awk' '*.py' Makefile .ci/run debian/rules 'debian/tests/[a-z]*' \
    'tools/Doxyfile' '*.build' '*CMakeLists.txt' '*.yml') || exit 1
missing=$(printf '%s\n' "$files" |
    grep -vE '^(src/export/functions/|tests/(golden|abi)/.*[0-9][.]h$|debian/tests/control$)' | while read -r file; do
        [ ! -f "$file" ] || head -n 10 "$file" | grep -q 'SPDX-License-Identifier: ' || echo "$file"
    done)
[ -n "$missing" ] || exit 0
if [ "${1:-}" != --write ]; then
    printf 'no SPDX-License-Identifier: %s\n' $missing
    exit 1
fi
for file in $missing; do
    case $file in
    *.c | *.h | *.def) line='/* SPDX-License-Identifier: MIT */' ;;
    *.cc | *.hpp | *.js) line='// SPDX-License-Identifier: MIT' ;;
    *) line='# SPDX-License-Identifier: MIT' ;;
    esac
    # Below the line that says who runs it, in place: what may be executed stays so.
    text=$(awk -v line="$line" 'NR == 1 && !/^#!/ { print line } { print } NR == 1 && /^#!/ { print line }' "$file"; echo .)
    printf %s "${text%.}" >"$file"
done
