# Debian's packages, pinned by a lock that `clutch lock --debian` writes (docs/formats.md,
# "clutch.lock").
{ fetch, system }:
let
  inherit (builtins)
    attrValues elemAt filter isList isString length map mapAttrs match split;

  # Debian's name for the system.
  architecture = {
    x86_64-linux = "amd64";
  }.${system} or (throw "system '${system}' is not supported, expected 'x86_64-linux'");

  base = path:
    let parts = filter isString (split "/" path);
    in elemAt parts (length parts - 1);
in
rec {
  # The packages of a lock by name, each with its `version` and its `deb`.
  #
  #   (clutch.debian.lock ./tools.lock).packages.libpq5.deb
  lock = file:
    let
      locked = host.readDebianLock { lock = file; inherit architecture; };
    in
    {
      inherit (locked) suite;
      packages = mapAttrs
        (name: package: {
          inherit name;
          inherit (package) version;
          deb = fetch {
            name = base package.file;
            inherit (locked) index;
            inherit (package) file sha256;
          };
        })
        locked.packages;
    };

  # The .deb files of `packages`, which is a list of them or the path of a lock.
  debs = packages:
    if isList packages then packages
    else map (package: package.deb) (attrValues (lock packages).packages);

  # A version as upstream writes it: without Debian's epoch and revision.
  upstream = version: elemAt (match "([0-9]+:)?([^-+]+).*" version) 1;

  # The revision of the builders of prefixes and interpreters. They refuse any other.
  revision = 3;

  # One prefix (bin, lib, share, ...) of several packages. It uses nothing of the host.
  #
  #   packages   a list of .deb files, or the path of a lock
  #   links      more links, such as those of maintainer scripts: { "bin/awk" = "mawk"; }
  prefix =
    { name
    , packages
    , links ? { }
    }:
    derivation {
      inherit name links revision;
      system = "builtin";
      builder = "builtin:prefix";
      __structuredAttrs = true;
      debs = debs packages;
    };
}
