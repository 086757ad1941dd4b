# The shell and the tools of derivations' scripts: bash, dash (as `sh`), coreutils, sed, grep, awk
# (mawk), find, xargs, diff, cmp, patch, tar, gzip, bzip2, xz. To use it at run time, refer to it:
# `#!${clutch.shell}/bin/sh`.
#
# To update the lock, run `clutch lock --debian` with the packages in its `roots`.
{ debian }:
debian.prefix {
  name = "shell";
  packages = ./debian/shell.lock;
  links."bin/awk" = "mawk";
} // {
  meta.mainProgram = "bash";
}
