#!/bin/sh
# Lays the program and src/share below DESTDIR and PREFIX, or takes away again exactly what was laid there. The list of
# what was made is kept in share/doc/relevance-run; a folder that was there before is not in it.
# Usage, with DESTDIR and PREFIX in the environment: ./.install.sh install BINARY, ./.install.sh uninstall
set -eu
umask 022
list=$DESTDIR$PREFIX/share/doc/relevance-run/.installed

# lay SOURCE TARGET MODE
lay() {
    folder=${2%/*}
    while test ! -d "$DESTDIR$folder/"; do
        echo "$folder" >> "$new"
        case $folder in
        */*) folder=${folder%/*} ;;
        *) break ;;
        esac
    done
    echo "$2" >> "$new"
    install -D -m "$3" "$1" "$DESTDIR$2"
}

case $1 in
install)
    new=$(mktemp)
    trap 'rm -f "$new"' EXIT
    lay "$2" "$PREFIX/bin/relevance-run" 755
    (cd src/share && find . -type f) > "$new.tree"
    while read -r file; do
        mode=644
        test ! -x "src/share/$file" || mode=755
        lay "src/share/$file" "$PREFIX/share/${file#./}" $mode
    done < "$new.tree"
    rm "$new.tree"
    echo "${list#"$DESTDIR"}" >> "$new"
    # What an earlier installation made is to go with this one.
    test ! -f "$list" || cat "$list" >> "$new"
    sort -u "$new" > "$list"
    echo "installed: $DESTDIR$PREFIX/bin/relevance-run, and below $DESTDIR$PREFIX/share man page, completions, examples"
    ;;
uninstall)
    test -f "$list" || { echo "nothing was installed by make install below $DESTDIR$PREFIX" >&2; exit 1; }
    # In reverse, so that a folder comes after what is in it; one that others use by now stays.
    sort -r "$list" | while read -r made; do
        if test -d "$DESTDIR$made" && test ! -L "$DESTDIR$made"; then
            rmdir "$DESTDIR$made" 2> /dev/null || true
        else
            rm -f "$DESTDIR$made"
        fi
    done
    ;;
esac
