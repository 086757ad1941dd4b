# The choice of a wheel for an interpreter, by file names alone (PEP 425, PEP 600).
#
#   wheels : { pythonVersion = "3.11"; glibc = "2.36"; machine = "x86_64"; }
#            -> { parse = file -> { name; version; ... }; choose = [ file ] -> file or null; }
{ pythonVersion, glibc, machine }:
let
  inherit (builtins)
    concatMap elemAt filter foldl' genList head isString length lessThan listToAttrs match split stringLength
    substring;

  number = text: builtins.fromJSON (let plain = match "0*([0-9]+)" text; in head plain);
  parts = separator: text: filter isString (split separator text);
  minor = number (elemAt (parts "\\." pythonVersion) 1);
  newest = number (elemAt (parts "\\." glibc) 1);
  down = from: to: genList (at: toString (from - at)) (if from < to then 0 else from - to + 1);

  # What the interpreter accepts, the best first: python and ABI for one of the platforms below ...
  cp = "cp3${toString minor}";
  py = [ "py3${toString minor}" "py3" ] ++ map (m: "py3${m}") (down (minor - 1) 0);
  native = [ "${cp}-${cp}" "${cp}-abi3" "${cp}-none" ]
    ++ map (m: "cp3${m}-abi3") (down (minor - 1) 2)
    ++ map (p: "${p}-none") py;
  # ... and for any.
  pure = [ "${cp}-none" ] ++ map (p: "${p}-none") py;

  ranks = offset: tags: listToAttrs (genList (at: {
    name = elemAt tags at;
    value = (at + offset) * 1000;
  }) (length tags));
  nativeRanks = ranks 0 native;
  pureRanks = ranks (length native) pure;

  # The newest C library first, the names of older specifications behind the numbers.
  platform = tag:
    let
      numbered = match "manylinux_2_([0-9]+)_${machine}" tag;
      older = { manylinux2014 = 17; manylinux2010 = 12; manylinux1 = 5; };
      named = match "(manylinux(2014|2010|1))_${machine}" tag;
      at = needed: if needed > newest then null else (newest - needed) * 2;
      plus = n: rank: if rank == null then null else rank + n;
    in
    if numbered != null then at (number (head numbered))
    else if named != null then plus 1 (at older.${head named})
    else if tag == "linux_${machine}" then 999
    else null;

  rank = python: abi: tag:
    let
      key = "${python}-${abi}";
      place = platform tag;
    in
    if tag == "any" then pureRanks.${key} or null
    else if place == null || !(nativeRanks ? ${key}) then null
    else nativeRanks.${key} + place;

  parse = file:
    let
      found = match "([^-]+)-([^-]+)(-([0-9]+)([^-]*))?-([^-]+)-([^-]+)-([^-]+)\\.whl" file;
      field = elemAt found;
      build = field 3;
      shown = if stringLength file > 200 then "${substring 0 200 file}..." else file;
      python = parts "\\." (field 5);
      abi = parts "\\." (field 6);
      platforms = parts "\\." (field 7);
    in
    # the longest name of a file; the tags that it stands for are as many as there are combinations
    if stringLength file > 255 || found == null then throw "'${shown}' is not a wheel's file name"
    else if length python * length abi * length platforms > 1000 then
      throw "'${file}' is not a wheel's file name: it stands for more than 1000 tags"
    else {
      inherit file;
      name = field 0;
      version = field 1;
      build = if build == null then [ (-1) "" ] else [ (number build) (field 4) ];
      # The best of all tags that the name stands for; null where none fits.
      rank = foldl' least null (concatMap (python: concatMap (abi: map (rank python abi) platforms) abi) python);
    };

  least = a: b: if a == null then b else if b == null then a else if b < a then b else a;

  better = a: b:
    if a.rank != b.rank then a.rank < b.rank
    else if a.build != b.build then lessThan b.build a.build
    else a.file < b.file;

  choose = files:
    let fitting = filter (wheel: wheel.rank != null) (map parse files);
    in if fitting == [ ] then null else (head (builtins.sort better fitting)).file;
in
{
  inherit parse choose;
  # For error texts: the best few.
  tags = "${cp}-${cp}-manylinux_2_${toString newest}_${machine} and older, abi3, py3-none-any";
}
