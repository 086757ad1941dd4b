# What `import <clutch>` gives.
let
  fetch = import ./fetch.nix;
  interpreter = import ./python/interpreter.nix { inherit fetch; };
in
{
  inherit fetch;

  python = import ./python/environment.nix { inherit fetch; interpreters = interpreter; } // {
    # The interpreters by their version: `interpreter."3.11"`.
    inherit interpreter;
  };
}
