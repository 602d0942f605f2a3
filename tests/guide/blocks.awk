# SPDX-License-Identifier: MIT
# blocks.awk: takes the fenced blocks out of a page of the guide, into the folder `to`:
#
#   sh              appended to run.sh
#   c, cpp, python  a file, if the first line is a comment that begins with its name ("/* see.c: ...", "# see.py: ...");
#                   other C goes into fragments.c, each a function of its own
#   cmake, meson    a file likewise, which commands need not name
#   text            nothing: what programs print, and what only a cluster can run (test_mpi.sh runs its like)
#
# Any other kind is an error, and so is a block that does not end.

function named(line) {
    return match(line, /^(\/\*|\/\/|#) [A-Za-z_]+\.(c|cpp|py|txt|build):/) ? substr(line, 1, RLENGTH - 1) : ""
}

/^```/ && !inside {
    kind = substr($0, 4)
    inside = NR
    file = ""
    if (kind !~ /^(sh|c|cpp|python|cmake|meson|text)$/) {
        print FILENAME ":" NR ": a block of kind '" kind "', which nothing tests" >"/dev/stderr"
        failed = 1
        kind = "text"
    }
    next
}
/^```$/ && inside {
    if (file == fragments)
        print "return CN_OK; }" >>file
    inside = 0
    next
}
inside && !file {
    fragments = to "/fragments.c"
    if (kind == "sh")
        file = to "/run.sh"
    else if (kind == "text")
        file = "/dev/null"
    else if ((name = named($0)) != "") {
        sub(/^[^ ]* /, "", name)
        file = to "/" name
        if (kind !~ /^(cmake|meson)$/)
            names = names " " name
    } else if (kind == "c") {
        file = fragments
        print "cn_status fragment_" NR "(FRAGMENT); cn_status fragment_" NR "(FRAGMENT) {\n#line " NR " \"" FILENAME "\"" >>file
    } else {
        print FILENAME ":" NR ": a block without the name of its file" >"/dev/stderr"
        file = "/dev/null"
        failed = 1
    }
}
inside { print >>file }
END {
    if (inside) {
        print FILENAME ":" inside ": a block without an end" >"/dev/stderr"
        failed = 1
    }
    print names
    exit failed
}
