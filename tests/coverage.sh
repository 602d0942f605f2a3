#!/bin/sh
# SPDX-License-Identifier: MIT
# coverage.sh FOLDER [ISAS LINES BRANCHES]: after `make coverage`, which lines and branches of src/ were reached, by file,
# worst first; fails below these percentages. ISAS are instruction sets that the processor lacks ("avx512|"), whose kernels
# then do not count. What is compiled into several objects, as headers and kernels are, counts once, and is reached if it
# was in any of them. A line that says "unreachable: " and why in a comment is left out with its branches; how many there
# are is told. With MISSING=src/x.c in the environment: what of that file was not reached.
set -eu
folder=$1 without=${2:-}
find "$folder" -name '*.gcda' | sed 's/gcda$/gcno/' | grep -vE "[.](${without}none)[.]" | tr '\n' '\0' |
    xargs -0 "${GCOV:-gcov}" -b -c -t 2>/dev/null | awk -v least_lines="${3:-0}" -v least_branches="${4:-0}" -v missing="${MISSING:-}" '
    function percent(part, whole) {
        return whole ? sprintf("%5.1f %% of %-6d", 100 * part / whole, whole) : sprintf("%17s", "-")
    }
    # "    count:  line:text", count "-" without code, "#####" where it was not reached
    match($0, /^ *[-#=0-9*]+: *[0-9]+:/) {
        split(substr($0, 1, RLENGTH), part, ":")
        count = part[1]; line = part[2] + 0; text = substr($0, RLENGTH + 1); branch = 0
        gsub(/[ *]/, "", count)
        if (line == 0 && text ~ /^Source:/) {
            file = substr(text, 8); counts = file ~ /^src\//
        } else if (counts && line > 0 && count != "-") {
            key = file SUBSEP line
            if (text ~ /unreachable: /)
                excluded[key]
            all_lines[key]; shown[key] = text
            if (count !~ /[#=]/)
                line_reached[key]
        }
        next
    }
    /^branch / && counts {
        key = file SUBSEP line SUBSEP branch++
        all_branches[key]
        if ($3 == "taken" && $4 + 0 > 0)
            branch_reached[key]
    }
    END {
        sorted = "sort -n | cut -d\\| -f2"
        for (key in all_lines) {
            split(key, part, SUBSEP)
            if (key in excluded) { left_out++; continue }
            files[part[1]]; lines[part[1]]++; total_lines++
            if (key in line_reached) { reached[part[1]]++; total_reached++ }
            else if (part[1] == missing) printf "%6d line         %s\n", part[2], shown[key] | "sort -n"
        }
        for (key in all_branches) {
            split(key, part, SUBSEP)
            if ((part[1] SUBSEP part[2]) in excluded) continue
            branches[part[1]]++; total_branches++
            if (key in branch_reached) { taken[part[1]]++; total_taken++ }
            else if (part[1] == missing) printf "%6d branch %-5d %s\n", part[2], part[3], shown[part[1], part[2]] | "sort -n"
        }
        if (missing != "") exit
        for (file in files)
            printf "%.4f|%-48s lines %s branches %s\n", branches[file] ? taken[file] / branches[file] : 1, file,
                percent(reached[file], lines[file]), percent(taken[file], branches[file]) | sorted
        close(sorted)
        printf "%-48s lines %s branches %s\n", "total, without " left_out + 0 " unreachable lines", percent(total_reached, total_lines), percent(total_taken, total_branches)
        if (100 * total_reached < least_lines * total_lines || 100 * total_taken < least_branches * total_branches) {
            printf "wanted: %s %% of lines, %s %% of branches\n", least_lines, least_branches
            exit 1
        }
    }'
