# The library: the result of `import <clutch>`, for the system of the evaluation (`--system`).
# `forSystem "x86_64-linux"` is the library for that system. In these files `host` has functions of clutch
# itself (src/library/).
#
#   fetch        a file from outside, known by its hash
#   fakeHash     stands for a hash that is not known yet
#   unpack       an archive as a folder
#   text         a file out of a text
#   derivation   what a shell script makes, in a sandbox that holds its inputs and nothing else
#   shell        the shell and the tools that these scripts have
#   debian       packages of a lock; `debian.prefix` makes a prefix of them that runs anywhere
#   python       interpreters, environments and programs
let
  forSystem = system:
    let
      fetch = import ./fetch.nix;
      debian = import ./debian.nix { inherit fetch system; };
      shell = import ./shell.nix { inherit debian; };
      interpreters = import ./python/interpreter.nix { inherit debian; };
    in
    {
      inherit system forSystem fetch debian shell;

      fakeHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

      inherit (import ./files.nix) text unpack;
      derivation = import ./derivation.nix { inherit system shell; };

      python =
        import ./python/environment.nix { inherit fetch; interpreters = interpreters.interpreter; }
        // interpreters;
    };
in
forSystem (builtins.currentSystem or "x86_64-linux")
