# Downloads a file with a known hash.
#
#   url, urls      its addresses, tried in order
#   index          instead of an address: the name of an index, with
#   file           the name of the file there (for Debian its path), and
#   project        for a Python index, the project
#   hash           `sha256-...`, or
#   sha256         in any of the usual forms. If you do not know it yet, write `clutch.fakeHash` or "":
#                  the build prints the right one, and `--update-hashes` writes it
#   name           the name of the store path; default: the file's name
{ name ? null
, url ? null
, urls ? [ ]
, index ? null
, project ? null
, file ? null
, hash ? null
, sha256 ? null
}@arguments:
let
  inherit (builtins) concatStringsSep elemAt filter isString length replaceStrings split;

  base = path:
    let parts = filter isString (split "/" path);
    in elemAt parts (length parts - 1);
  places = urls ++ (if url == null then [ ] else [ url ]);
  own =
    if name != null then name
    else if file != null then base file
    else if places != [ ] then base (builtins.head places)
    else throw "fetch: expected url, urls, or index and file";
  named =
    if own != "" then own
    else throw "fetch: ${builtins.head places} does not end in a file name; add name = \"FILE\"";
  given =
    {
      ${if index == null then null else "index"} = index;
      ${if project == null then null else "project"} = project;
      ${if file == null then null else "file"} = file;
      ${if places == [ ] then null else "urls"} = concatStringsSep " " places;
    };
in
derivation (given // {
  # store paths allow fewer characters than file names
  name = replaceStrings [ "!" "~" "@" " " "%" ":" ] [ "_" "_" "_" "_" "_" "_" ] named;
  system = "builtin";
  builder = "builtin:fetch";
  outputHashMode = "flat";
  ${if hash == null || hash == "" then "outputHashAlgo" else null} = "sha256";
  __hashPosition = builtins.unsafeGetAttrPos (if hash == null then "sha256" else "hash") arguments;
  outputHash =
    if hash != null then hash
    else if sha256 != null then sha256
    else throw "fetch: '${own}': expected hash or sha256; set hash = \"\", and the build prints the right one";
})
