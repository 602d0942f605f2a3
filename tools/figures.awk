# SPDX-License-Identifier: MIT
# figures.awk: awk -f figures.awk docs/bench/*.csv DOCUMENT: a document whose figures are those of runs of `make bench`. A run is
# called as its file. Behind <!-- machine RUN --> comes what a run says of itself, and its figures are in the tables that
# follow: rows that are called as a row of the run get its figures; the columns are what their heads say, and `ratio with RUN`
# is another run's. Behind <!-- all rows --> a table has all of the run's. A row that no run has stays, and is an error.

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

function value(what, head) {
    if (sub(/^ratio with /, "", head)) {
        gsub(/-/, "", head)
        return figure[tolower(head), what, "ratio"]
    }
    return figure[run, what, head]
}

function show_row(what,    text, i, shown) {
    if (!known[run, what]) {
        printf "%s: the run %s has no row \"%s\"\n", FILENAME, run, what >"/dev/stderr"
        failed = 1
        print
        return
    }
    text = "| " what " |"
    for (i = 2; i <= columns; i++) {
        shown = value(what, heads[i])
        text = text " " shown (shown == "" ? "" : " ") "|"
    }
    print text
}

FNR == 1 {
    run = FILENAME
    gsub(/^.*\/|\.csv$/, "", run)
}
FILENAME ~ /\.csv$/ && /^# / {
    $0 = substr($0, 3)
    while (sub(/ *\([^()]*\)/, "")) {} # details
    machine[run] = machine[run] (machine[run] == "" ? "" : "; ") $0
    next
}
FILENAME ~ /\.csv$/ {
    split_csv($0, cells)
    if (cells[1] != "what") {
        figure[run, cells[1], "libconvnet"] = cells[2]
        figure[run, cells[1], "peer"] = cells[3] == "ours" ? "ourselves" : cells[3]
        figure[run, cells[1], "peer's"] = cells[4]
        figure[run, cells[1], "ratio"] = sprintf("%.2f", cells[5])
        figure[run, cells[1], "goal"] = cells[6]
        figure[run, cells[1], "of the peak"] = cells[7] + 0 ? sprintf("%.0f %%", 100 * cells[7]) : ""
        if (cells[4] == "-")
            figure[run, cells[1], "peer"] = figure[run, cells[1], "peer's"] = figure[run, cells[1], "ratio"] = "–"
        rows[run, ++count[run]] = cells[1]
        known[run, cells[1]] = 1
    }
    next
}
/^<!-- machine [a-z0-9]+ -->/ {
    run = $3
    $0 = "<!-- machine " run " --> " machine[run] "."
}
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
        for (row = 1; row <= count[run]; row++)
            show_row(rows[run, row])
        all = "shown"
    } else if (all != "shown")
        show_row(cells[1])
    next
}
!/^\|/ && all == "shown" { all = "" }
{ print }
END { exit failed }
