# Debian's packages, pinned by a lock that `clutch lock --debian` writes (docs/formats.md,
# "clutch.lock").
{ fetch, system }:
let
  inherit (builtins)
    attrValues elemAt filter fromTOML isList isString length listToAttrs map match readFile split;

  # The name that Debian has for the system.
  architecture = {
    x86_64-linux = "amd64";
  }.${system} or (throw "there are no interpreters and tools for '${system}', only for 'x86_64-linux'");

  base = path:
    let parts = filter isString (split "/" path);
    in elemAt parts (length parts - 1);
in
rec {
  # A lock: the packages by their names, each with its `version` and its `deb`.
  #
  #   (clutch.debian.lock ./tools.lock).packages.libpq5.deb
  lock = file:
    let
      content = fromTOML (readFile file);
      fail = problem: throw "${toString file}: ${problem}";
      one = package: {
        inherit (package) name;
        value = {
          inherit (package) name version;
          deb = fetch {
            name = base package.file;
            inherit (content) index;
            inherit (package) file sha256;
          };
        };
      };
    in
    if content.version or null != 1 then fail "its version is not known, expected 1"
    else if content.kind or null != "debian" then fail "its kind is not 'debian'"
    else if content.architecture != architecture then
      fail "it is for '${content.architecture}', expected '${architecture}'"
    else {
      inherit (content) suite;
      packages = listToAttrs (map one content.package);
    };

  # The packages that are meant: a list of them, or the path of a lock.
  debs = packages:
    if isList packages then packages
    else map (package: package.deb) (attrValues (lock packages).packages);

  # A version as upstream writes it: without Debian's epoch and revision.
  upstream = version: elemAt (match "([0-9]+:)?([^-+]+).*" version) 1;

  # Packages as one prefix (bin, lib, share, ...) that runs anywhere with nothing of the host.
  #
  #   packages   a list of .deb files, or the path of a lock
  #   links      further links, such as a maintainer script makes: { "bin/awk" = "mawk"; }
  prefix =
    { name
    , packages
    , links ? { }
    }:
    derivation {
      inherit name links;
      system = "builtin";
      builder = "builtin:prefix";
      __structuredAttrs = true;
      debs = debs packages;
    };
}
