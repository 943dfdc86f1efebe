#!/bin/sh
# Starts the program for this system. Some hosts unpack every file as one that nobody may run: hence chmod, and sh.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit
case $(uname -s)-$(uname -m) in
  Darwin-*) system=darwin ;;
  Linux-x86_64) system=linux-x64 ;;
  Linux-aarch64) system=linux-arm64 ;;
  *) system=$(uname -s)-$(uname -m) ;;
esac
program=$here/$system/bursar
if [ ! -f "$program" ]; then
  echo "bursar: this bundle has no program for $system" >&2
  echo "  build it with: cargo install bursar --locked" >&2
  exit 1
fi
[ -x "$program" ] || chmod u+x "$program" || exit
exec "$program" "$@"
