#!/bin/sh
# coverage.sh FOLDER: after `make coverage`, which lines and branches of src/ were reached, by file, worst first. A file
# that is compiled for several instruction sets counts with all of them.
set -eu
find "$1" -name '*.gcda' | sed 's/gcda$/gcno/' | tr '\n' '\0' | xargs -0 "${GCOV:-gcov}" -b -n 2>/dev/null | awk '
    function add(file, text, part,    of, share) {
        if (split(text, of, "% of ") != 2)
            return
        share = of[1]; sub(/.*:/, "", share)
        count[file, part] += of[2]; reached[file, part] += of[2] * share / 100
        count["total", part] += of[2]; reached["total", part] += of[2] * share / 100
    }
    function percent(file, part) {
        return count[file, part] ? sprintf("%5.1f %% of %-6d", 100 * reached[file, part] / count[file, part], count[file, part]) : sprintf("%17s", "-")
    }
    /^File / { file = $2; gsub(/\047/, "", file); counts = file ~ /^src\//; if (counts) files[file] }
    /^Lines executed/ && counts { add(file, $0, "lines") }
    /^Taken at least once/ && counts { add(file, $0, "branches"); counts = 0 }
    END {
        for (file in files)
            printf "%-48s lines %s branches %s\n", file, percent(file, "lines"), percent(file, "branches") | "sort -k3,3n"
        close("sort -k3,3n")
        printf "%-48s lines %s branches %s\n", "total", percent("total", "lines"), percent("total", "branches")
    }'
