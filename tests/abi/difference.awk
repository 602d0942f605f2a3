# SPDX-License-Identifier: MIT
# difference.awk RECORDED FOUND: what separates two lists of facts (facts.awk), a line each:
#
#   broken  KEY: VALUE is gone            a program that was compiled against the recorded header may no longer work
#   added   KEY: VALUE                    new, and no program can mind
#
# A reserved member may become another of its place and size: that is what it is for.
BEGIN { FS = "\t" }
NR == FNR { recorded[$1] = $2; order[++count] = $1; next }
{
    found[$1] = $2
    if (!($1 in recorded)) {
        new[++new_count] = $1
        if (split($1, words, /[ .]/) == 3 && words[1] == "member")
            place[words[2], place_of($2)] = 1
    }
}
function place_of(value) {
    sub(/.*, /, "", value)
    return value
}
# Whether a reserved member is used for something now, and so are its bytes in the defaults.
function is_used(key, words) {
    split(key, words, /[ .]/)
    if (key ~ /^default .*\.reserved(_pointer)?$/)
        return !((key) in found)
    return key ~ /^member .*\.reserved(_pointer)?$/ && (words[2], place_of(recorded[key])) in place
}
END {
    for (i = 1; i <= count; i++) {
        key = order[i]
        if (!(key in found) && !is_used(key))
            print "broken\t" key ": " recorded[key] " is gone"
        else if (key in found && found[key] != recorded[key])
            print "broken\t" key ": " recorded[key] " has become " found[key]
    }
    for (i = 1; i <= new_count; i++)
        print "added\t" new[i] ": " found[new[i]]
}
