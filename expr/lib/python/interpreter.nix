# CPython from Debian packages: relocated and complete. It uses nothing of the host.
{ debian }:
let
  # An interpreter from Debian packages.
  #
  #   version    for example "3.11"
  #   packages   the path of a lock that holds the interpreter, its libraries and the C library;
  #              `clutch lock --debian SUITE --no-dependencies PACKAGE...` writes one
  fromDebian = { version, packages }:
    let
      locked = (debian.lock packages).packages;
      full = debian.upstream locked."python${version}-minimal".version;
    in
    derivation {
      name = "python-${full}";
      system = "builtin";
      builder = "builtin:python";
      __structuredAttrs = true;
      inherit version;
      inherit (debian) revision;
      debs = map (package: package.deb) (builtins.attrValues locked);
    } // {
      version = full;
      pythonVersion = version;
      # decides which manylinux wheels it can load
      glibc = debian.upstream locked.libc6.version;
      machine = "x86_64";
      meta.mainProgram = "python${version}";
    };
in
{
  inherit fromDebian;

  # The interpreters by version: `interpreter."3.11"`.
  interpreter = {
    "3.11" = fromDebian { version = "3.11"; packages = ../debian/python-3.11.lock; };
    "3.13" = fromDebian { version = "3.13"; packages = ../debian/python-3.13.lock; };
  };
}
