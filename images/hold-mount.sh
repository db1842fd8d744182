#!/bin/sh
# Mounts a disk in the mount namespace that it was started in and keeps it mounted until it is told to unmount it, or
# until nobody is left to tell: then the namespace ends with this process, and with it mount and loop device.
# usage: hold-mount.sh <type> <options> <disk> <mount point>
# Reads words from standard input and answers each with a line; why something failed goes to standard error.
set -u
# -n: what is mounted here is no business of the host's list in /run/mount.
mount -n -t "$1" -o "$2" -- "$3" "$4" || exit 3
echo mounted
while read -r word; do
  case $word in
  # What could not be written is told here or never: unmounting succeeds over lost data.
  sync) sync --file-system -- "$4" && echo done || echo failed ;;
  unmount) umount -n -- "$4" && echo done || echo failed ;;
  *) exit 2 ;;
  esac
done
