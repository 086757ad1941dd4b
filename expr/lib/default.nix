# The library: the result of `import <clutch>`, for the system of the evaluation (`--system`).
# `forSystem "x86_64-linux"` is the library for that system. In these files, `host` holds functions that
# clutch itself implements (src/library/).
#
#   fetch        download a file with a known hash
#   fakeHash     a placeholder for a hash that you do not know yet
#   unpack       unpack an archive into a folder
#   text         write a text to a file
#   derivation   run a shell script in a sandbox that holds its inputs and nothing else
#   shell        the shell and the tools of these scripts
#   debian       Debian packages of a lock; `debian.prefix` makes a prefix of them that runs anywhere
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
