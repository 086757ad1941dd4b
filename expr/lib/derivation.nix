# The result of a shell script.
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
#   name      of the result
#   script    run by bash; it stops at the first command that fails. It sees its inputs and nothing
#             else: no network, no file of the host, not even /bin/sh. It starts in an empty folder
#   outputs   the names of its results: each is a variable that holds the path to write to
#   inputs    derivations whose `bin` folders are in PATH, in front of the shell's own
#   meta      kept beside the result, not part of it: `clutch run` starts `mainProgram`
#   system    default: that of the library
#   ...       everything else is in the script's environment
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
  # a file, since a variable holds no more than 128 KiB
  passAsFile = own.passAsFile or [ ] ++ [ "script" ];
}) // {
  inherit meta;
}
