# SPDX-License-Identifier: MIT
# figures.awk: awk -f figures.awk docs/bench.csv DOCUMENT: a document whose figures are those of one run of `make bench`. In
# tables with a column `libconvnet`, rows that are called as a row of the run get its figures; the columns are what their
# heads say. Behind <!-- all rows --> a table has all of the run's. Behind <!-- machine --> comes what the run says of
# itself. A row that the run does not have stays, and is an error.

function split_csv(line, cells,    n, cell) {
    n = 0
    while (match(line, /^("[^"]*"|[^,]*)(,|$)/)) {
        cell = substr(line, 1, RLENGTH)
        line = substr(line, RLENGTH + 1)
        ends = cell !~ /,$/
        sub(/,$/, "", cell)
        gsub(/^"|"$/, "", cell)
        cells[++n] = cell
        if (ends)
            break
    }
    return n
}

# fields of a row of a table: their number; cell i is cells[i], without blanks.
function split_row(line, cells,    n, i) {
    sub(/^\| */, "", line)
    sub(/ *\| *$/, "", line)
    n = split(line, cells, / *\| */)
    return n
}

function show_row(what,    text, i) {
    if (!known[what]) {
        printf "%s: the run has no row \"%s\"\n", FILENAME, what >"/dev/stderr"
        failed = 1
        print
        return
    }
    text = "| " what " |"
    for (i = 2; i <= columns; i++)
        text = text " " figure[what, heads[i]] (figure[what, heads[i]] == "" ? "" : " ") "|"
    print text
}

NR == FNR && /^# / {
    $0 = substr($0, 3)
    while (sub(/ *\([^()]*\)/, "")) {} # details
    machine = machine (machine == "" ? "" : "; ") $0
    next
}
NR == FNR {
    split_csv($0, cells)
    if (cells[1] != "what") {
        figure[cells[1], "libconvnet"] = cells[2]
        figure[cells[1], "peer"] = cells[3] == "ours" ? "ourselves" : cells[3]
        figure[cells[1], "peer's"] = cells[4]
        figure[cells[1], "ratio"] = sprintf("%.2f", cells[5])
        figure[cells[1], "goal"] = cells[6]
        figure[cells[1], "of the peak"] = cells[7] + 0 ? sprintf("%.0f %%", 100 * cells[7]) : ""
        if (cells[4] == "-")
            figure[cells[1], "peer"] = figure[cells[1], "peer's"] = figure[cells[1], "ratio"] = "–"
        rows[++count] = cells[1]
        known[cells[1]] = 1
    }
    next
}
/^<!-- machine -->/ { $0 = "<!-- machine --> " machine "." }
/^<!-- all rows -->/ { all = "wanted" }
!/^\|/ { columns = 0 }
/^\|/ && !columns {
    columns = split_row($0, heads)
    timed = 0
    for (i = 1; i <= columns; i++)
        timed += heads[i] == "libconvnet"
    print
    next
}
/^\|/ && timed && !/^\| -/ {
    split_row($0, cells)
    if (all == "wanted") {
        for (row = 1; row <= count; row++)
            show_row(rows[row])
        all = "shown"
    } else if (all != "shown")
        show_row(cells[1])
    next
}
!/^\|/ && all == "shown" { all = "" }
{ print }
END { exit failed }
