# The content of a lock, and what to do if there is none.
#
#   lock      the path of a clutch.lock
#   command   what writes one: "clutch lock requirements.txt"
{ lock, command }:
let
  inherit (builtins)
    addErrorContext baseNameOf dirOf fromTOML isPath isString match pathExists readFile substring;

  name = baseNameOf (toString lock);
  # `clutch lock` writes a clutch.lock unless it is told another name
  writes = if name == "clutch.lock" then command else "${command} -o ${name}";

  text = readFile lock;
  # every lock begins with these; the first lines are enough to tell
  isLock = match "(.*\n)?version *=.*" (substring 0 1000 text) != null;
in
if !(isPath lock || isString lock) then
  throw "lock is ${builtins.typeOf lock} and no path; write lock = ./clutch.lock"
else if isString lock && substring 0 1 lock != "/" then
  throw "lock = \"${lock}\" is a text; write the path without quotes: lock = ./${lock}"
else if !(pathExists lock) then
  throw "${toString lock} does not exist; '${writes}' writes it"
else if !isLock then
  throw "${toString lock} is no lock; 'clutch lock ${name}' makes one of requirements, and lock = ./clutch.lock uses it"
else addErrorContext "while reading the lock ${toString lock}" (fromTOML text)
