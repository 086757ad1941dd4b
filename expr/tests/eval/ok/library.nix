# A host's library: its files, and functions that only they can call (tests/support).
let
  host = "the program's own";
  library = import <library>;
in
{
  inherit host;
  inherit (library) twice;
  again = import <library/default.nix> == library;
  scoped = builtins.scopedImport { x = 4; } <library/scoped.nix>;
  inFunction = library.apply 5;
  builtins = builtins ? twice;
  isFile = builtins.readFileType <library/default.nix>;
  text = builtins.readFile <folder/text>;
  folder = builtins.readDir <library>;
}
