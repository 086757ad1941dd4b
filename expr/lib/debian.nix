# Debian's packages, pinned by a lock that `clutch lock --debian` writes (docs/formats.md,
# "clutch.lock").
{ fetch, system }:
let
  inherit (builtins)
    attrValues deepSeq elemAt filter isList isString length listToAttrs map match split;

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
      content = import ./lock.nix { lock = file; command = "clutch lock --debian SUITE PACKAGE..."; };
      fail = problem: throw "${toString file}: ${problem}; write it again with 'clutch lock --debian'";
      need = where: set: field: set.${field} or (fail "${where} has no field '${field}'");
      locked = need "it" content;
      one = package:
        let
          name = need "a package" package "name";
          field = need "package '${name}'" package;
          # whatever is missing is said at once, not when it is needed
          complete = deepSeq [ (field "version") (field "size") (field "depends") ];
        in
        {
          inherit name;
          value = complete {
            inherit name;
            version = field "version";
            deb = fetch {
              name = base (field "file");
              index = locked "index";
              file = field "file";
              sha256 = field "sha256";
            };
          };
        };
    in
    if locked "version" != 1 then fail "its version ${toString content.version} is not known, expected 1"
    else if locked "kind" != "debian" then fail "its kind is '${content.kind}', expected 'debian'"
    else if locked "architecture" != architecture then
      fail "it is for '${content.architecture}', expected '${architecture}'"
    else {
      suite = locked "suite";
      packages = listToAttrs (map one (locked "package"));
    };

  # The packages that are meant: a list of them, or the path of a lock.
  debs = packages:
    if isList packages then packages
    else map (package: package.deb) (attrValues (lock packages).packages);

  # A version as upstream writes it: without Debian's epoch and revision.
  upstream = version: elemAt (match "([0-9]+:)?([^-+]+).*" version) 1;

  # What the builders of prefixes and interpreters make; they refuse any other.
  revision = 3;

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
      inherit name links revision;
      system = "builtin";
      builder = "builtin:prefix";
      __structuredAttrs = true;
      debs = debs packages;
    };
}
