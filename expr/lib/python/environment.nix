# Environments out of a lock. What the functions take and give is said at each.
{ fetch, interpreters }:
let
  inherit (builtins)
    attrNames dirOf elem filter foldl' hashFile head isAttrs isPath isString listToAttrs map match
    pathExists readFileType replaceStrings seq split stringLength toJSON toString;

  default = interpreters."3.11";

  # PEP 503
  normalised = name: builtins.concatStringsSep "-"
    (filter (part: isString part && part != "") (split "[-_.]+" (lower name)));
  letters = text: builtins.genList (at: builtins.substring at 1 text) (builtins.stringLength text);
  lower = replaceStrings (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (letters "abcdefghijklmnopqrstuvwxyz");

  # Names in the store do not have every character that versions and file names have.
  storeName = replaceStrings [ "!" "~" "@" " " ] [ "_" "_" "_" "_" ];

  pythonVersion = interpreter:
    interpreter.pythonVersion or (head (match "([0-9]+\\.[0-9]+).*" interpreter.version));

  # The variables of PEP 508 markers.
  variables = interpreter: {
    python_version = pythonVersion interpreter;
    python_full_version = interpreter.version;
    implementation_name = "cpython";
    implementation_version = interpreter.version;
    platform_python_implementation = "CPython";
    os_name = "posix";
    sys_platform = "linux";
    platform_system = "Linux";
    platform_machine = interpreter.machine or "x86_64";
    platform_release = "";
    platform_version = "";
    extra = "";
  };

  # A lock that was read and looked over: docs/formats.md, "clutch.lock".
  readLock = lock:
    let
      content =
        if isAttrs lock then lock
        else import ../lock.nix { inherit lock; command = "clutch lock requirements.txt"; };
      label = if isAttrs lock then "the lock" else toString lock;
      fail = problem: throw "${label}: ${problem}; write it again with 'clutch lock'";
      # A key that is misspelt would silently be without effect.
      known = where: keys: set: result:
        let others = attrNames (removeAttrs set keys);
        in if others == [ ] then result else fail "${where} has the unknown field '${head others}'";
      need = where: set: field: set.${field} or (fail "${where} has no field '${field}'");
      file = package: file: known "a file of ${package}" [ "name" "size" "sha256" ] file rec {
        name = need "a file of ${package}" file "name";
        sha256 = need "file '${name}' of ${package}" file "sha256";
        size = need "file '${name}' of ${package}" file "size";
      };
      requirements = raw:
        let made = known "a file of requirements" [ "file" "sha256" ] raw {
          file = need "a file of requirements" raw "file";
          sha256 = need "a file of requirements" raw "sha256";
        };
        in
        if match "/.*|(.*/)?\\.\\.?(/.*)?" made.file == null then made
        else fail "'${made.file}' is no path below the lock's folder";
      package = raw: known "package '${raw.name or "?"}'" [ "name" "version" "marker" "file" ] raw rec {
        name = need "a package" raw "name";
        version = need "package '${name}'" raw "version";
        marker = raw.marker or null;
        files = map (file "package '${name}'") (need "package '${name}'" raw "file");
      };
    in
    if need "it" content "version" != 1 then fail "its version ${toString content.version} is not known, expected 1"
    else if need "it" content "kind" != "python" then fail "its kind is '${content.kind}', expected 'python'"
    else known "it" [ "version" "kind" "index" "requirements" "target" "package" ] content
      (fresh lock label (map requirements (content.requirements or [ ])) {
        inherit fail label;
        index = need "it" content "index";
        packages = map package (content.package or [ ]);
      });

  # The value, with a warning if files of requirements that stand beside the lock are no longer those
  # that it was made of.
  fresh = lock: label: made: value:
    let
      folder = dirOf lock;
      path = file: folder + "/${file.file}";
      changed = filter (file: pathExists (path file) && hashFile "sha256" (path file) != file.sha256) made;
    in
    # what a single file in the store is beside of is not its own
    if !(isPath lock) || toString folder == builtins.storeDir || changed == [ ] then value
    else builtins.warn
      "${label}: ${(head changed).file} has changed since the lock was made; run 'clutch lock ${(head made).file}'"
      value;

  # What an environment is given as a distribution: one that is installed already.
  distribution = one:
    if !(isPath one) then one
    else if !(pathExists one) then throw "distributions: ${toString one} does not exist"
    else if readFileType one == "regular" then
      throw "distributions: ${toString one} is a file and no installed distribution; wheels come from a lock, and python.package makes a distribution of a folder of sources"
    else one;

  # PEP 440
  isVersion = text: stringLength text < 1000 && match
    ("v?([0-9]+!)?[0-9]+(\\.[0-9]+)*([-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?[0-9]*)?"
      + "(-[0-9]+|[-_.]?(post|rev|r)[-_.]?[0-9]*)?([-_.]?dev[-_.]?[0-9]*)?(\\+[a-z0-9]+([-_.][a-z0-9]+)*)?")
    (lower text) != null;

  isName = text: match "[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]" text != null;

  # One locked wheel, installed for an interpreter.
  wheel = { name, version, file, sha256, index, interpreter, record }: derivation {
    name = storeName "${name}-${version}";
    system = "builtin";
    builder = "builtin:wheel";
    __structuredAttrs = true;
    inherit file interpreter record;
    wheel = fetch {
      name = storeName file;
      project = name;
      inherit file index sha256;
    };
  };

  # The wheels of a lock that an interpreter can use, by name.
  wheels = { interpreter ? default, lock, packages ? null, record ? { }, index ? null }:
    let
      locked = readLock lock;
      choice = import ./wheels.nix {
        pythonVersion = pythonVersion interpreter;
        glibc = interpreter.glibc;
        machine = interpreter.machine or "x86_64";
      };
      holds = import ./marker.nix (variables interpreter);
      wanted = map normalised (if packages == null then [ ] else packages);
      selected = filter
        (package:
          (packages == null || elem (normalised package.name) wanted)
          && (package.marker == null || holds package.marker))
        locked.packages;
      byName = builtins.groupBy (package: normalised package.name) selected;
      unknown = filter (name: !(byName ? ${name})) wanted;
      records = listToAttrs
        (map (name: { name = normalised name; value = record.${name}; }) (attrNames record));
      unused = filter (name: !(byName ? ${name})) (attrNames records);

      one = name: several:
        let
          package = head several;
          file = choice.choose (map (file: file.name) package.files);
          found = head (filter (candidate: candidate.name == file) package.files);
        in
        if builtins.length several > 1 then
          locked.fail "package '${name}' stands in it with several versions for one interpreter"
        else if file == null then
          throw "${locked.label}: package '${name}' ${package.version} has no wheel for Python ${pythonVersion interpreter} (${choice.tags}), only ${builtins.concatStringsSep ", " (map (file: file.name) package.files)}; lock it for this interpreter with 'clutch lock'"
        else wheel {
          inherit name interpreter;
          inherit (package) version;
          inherit file;
          # every field must be there, although the hash says it all
          sha256 = builtins.seq found.size found.sha256;
          index = if index == null then locked.index else index;
          record = records.${name} or "strict";
        };
    in
    if unknown != [ ] then
      throw "${locked.label}: it does not hold ${builtins.concatStringsSep ", " unknown}"
    else if unused != [ ] then
      throw "record names ${builtins.concatStringsSep ", " unused}, which the environment does not hold"
    else builtins.mapAttrs one byName;
in
{
  inherit wheels;

  # A virtual environment of locked packages.
  #
  #   name           of the result
  #   interpreter    default Python 3.11
  #   lock           the path of a clutch.lock
  #   packages       the names of the packages that are wanted, or null for all of them
  #   distributions  further distributions that are installed already, such as those of `package`
  #   collisions     for a path that several distributions have, the name of the one to take it from
  #   record         for a package whose RECORD is known to be wrong: "lenient"
  #   check          whether every requirement of every package must be met
  #   index          the name of another index than the lock's
  #   mainProgram    what `clutch run` starts, default the interpreter
  environment =
    { name
    , interpreter ? default
    , lock ? null
    , packages ? null
    , distributions ? [ ]
    , collisions ? { }
    , record ? { }
    , check ? true
    , index ? null
    , mainProgram ? "python"
    }:
    let
      installed =
        if lock == null then { }
        else wheels { inherit interpreter lock packages record index; };
      # computed here, so that what fails is told at the line that asks for the environment
      all = map distribution distributions ++ builtins.attrValues installed;
    in
    derivation {
      inherit name interpreter collisions check mainProgram;
      inherit (interpreter) version;
      machine = interpreter.machine or "x86_64";
      system = "builtin";
      builder = "builtin:environment";
      __structuredAttrs = true;
      distributions = foldl' (done: one: seq one done) all all;
    } // {
      inherit interpreter;
      packages = installed;
      meta = { inherit mainProgram; };
    };

  # A distribution out of pure Python sources that stand beside the expression: no build backend.
  #
  #   name, version  of the distribution
  #   source         a folder whose content comes to site-packages
  #   scripts        programs: { serve = "module:function"; }
  #   requires       what it needs, as PEP 508 writes it
  package =
    { name, version, source, interpreter ? default, scripts ? { }, requires ? [ ] }:
    if !(isName name) then
      throw "name = ${toJSON name} is no name of a distribution: letters and digits, and between them also '-', '_' and '.'"
    else if !(isVersion version) then
      throw "version = ${toJSON version} is no version (PEP 440), such as \"1.0\" or \"2.1.post3\""
    else if isPath source && !(pathExists source) then throw "source: ${toString source} does not exist"
    else derivation {
      name = storeName "${name}-${version}";
      distribution = name;
      system = "builtin";
      builder = "builtin:distribution";
      __structuredAttrs = true;
      inherit version source interpreter scripts requires;
    };

  # A program that runs a script in an environment, with what follows on the command line behind the
  # arguments given here.
  #
  #   name           of the program and of the result
  #   environment    as `environment` gives it
  #   script         a path, or a text such as "${./src}/main.py" where it has files beside it
  #   args           texts or paths
  program = { name, environment, script, args ? [ ] }:
    let
      # JSON texts are Python texts.
      literal = value: toJSON (if isPath value then "${value}" else toString value);
    in
    derivation {
      inherit name;
      system = "builtin";
      builder = "builtin:text";
      executable = true;
      destination = "bin/${name}";
      text = ''
        #!${environment}/bin/python
        import os
        import runpy
        import sys

        script = ${literal script}
        sys.argv[:1] = [${builtins.concatStringsSep ", " ([ "script" ] ++ map literal args)}]
        sys.path[0] = os.path.dirname(script)
        runpy.run_path(script, run_name="__main__")
      '';
    } // {
      inherit environment;
      meta.mainProgram = name;
    };
}
