# Runs a shell script in a sandbox.
#
#   clutch.derivation {
#     name = "greeting";
#     outputs = [ "out" "doc" ];
#     inputs = [ tool ];
#     word = "hello";
#     script = ''
#       mkdir -p $out/bin $doc
#       tool --word "$word" > $doc/greeting.txt
#     '';
#   }
#
#   name      the name of the result
#   script    run by bash, which stops at the first command that fails. It starts in an empty folder and
#             sees only its inputs: no network, no file of the host, not even /bin/sh
#   outputs   the names of the results; each is a variable that holds the path to write to
#   inputs    derivations whose `bin` folders are in PATH, before the shell's own
#   meta      not part of the result; `clutch run` starts `mainProgram`
#   system    the system to build for; default: the library's
#   ...       all other attributes become environment variables of the script
{ system, shell }:
{ name
, script
, outputs ? [ "out" ]
, inputs ? [ ]
, meta ? { }
, ...
}@arguments:
let
  own = removeAttrs arguments [ "inputs" "meta" ];
in
derivation ({
  inherit system outputs;
  builder = "${shell}/bin/bash";
  args = [ "-euo" "pipefail" "-c" ". \"$scriptPath\"" name ];
  PATH = builtins.concatStringsSep ":" (map (input: "${input}/bin") (inputs ++ [ shell ]));
} // own // {
  # a file, because a variable holds at most 128 KiB
  passAsFile = own.passAsFile or [ ] ++ [ "script" ];
}) // {
  inherit meta;
}
