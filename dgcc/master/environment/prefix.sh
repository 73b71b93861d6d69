#!/bin/sh
# Stands on slaves where ccache, distcc and their like stand at home: there is nothing to cache or to send on.
# Called by such a name, it runs the command that follows; by a compiler's name, that compiler, the next in PATH.
name=${0##*/}
case $name in
ccache | distcc | icecc | sccache | homcc | buildcache | nocc)
    while :; do
        case ${1-} in
        *=*) shift ;; # a setting of ccache for this one run
        -* | '')
            echo "dgcc: $name itself does not run on slaves, only the compiler that follows it: $name $*" >&2
            exit 127
            ;;
        *) exec "$@" ;;
        esac
    done
    ;;
esac
own=${0%/*}
rest=$PATH:
# Only what comes after this directory: two of them that sought each other would never end.
case :$PATH: in *:"$own":*) rest=${rest##*"$own":} ;; esac
while [ -n "$rest" ]; do
    place=${rest%%:*}
    rest=${rest#*:}
    next=${place:-.}/$name
    if [ -f "$next" ] && [ -x "$next" ] && ! [ "$next" -ef "$0" ]; then
        exec "$next" "$@"
    fi
done
echo "dgcc: there is no $name in PATH behind $own" >&2
exit 127
