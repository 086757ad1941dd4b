# Environments of locked packages.
{ fetch, interpreters }:
let
  inherit (builtins)
    attrNames concatStringsSep dirOf filter foldl' hashFile head isPath listToAttrs mapAttrs pathExists
    readFileType replaceStrings seq toJSON toString;

  default = interpreters."3.11";

  # Store paths allow fewer characters than versions and file names.
  storeName = replaceStrings [ "!" "~" "@" " " ] [ "_" "_" "_" "_" ];

  # Warns if a requirements file beside the lock has changed since the lock was made.
  fresh = lock: made: value:
    let
      folder = dirOf lock;
      path = file: folder + "/${file.file}";
      changed = filter (file: pathExists (path file) && hashFile "sha256" (path file) != file.sha256) made;
    in
    # a single file in the store has no requirements file beside it
    if !(isPath lock) || toString folder == builtins.storeDir || changed == [ ] then value
    else builtins.warn
      "${toString lock}: ${(head changed).file} has changed since the lock was made; run 'clutch lock ${(head made).file}'"
      value;

  # Checks a distribution that is already installed.
  distribution = one:
    if !(isPath one) then one
    else if !(pathExists one) then throw "distributions: ${toString one} does not exist"
    else if readFileType one == "regular" then
      throw "distributions: ${toString one} is a file, not an installed distribution; use `lock` for wheels and python.package for a folder of sources"
    else one;

  # Installs one locked wheel for an interpreter.
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
      selected = host.selectWheels { inherit lock packages interpreter; };
      records = listToAttrs
        (map (name: { name = host.normalisedName name; value = record.${name}; }) (attrNames record));
      unused = filter (name: !(selected.wheels ? ${name})) (attrNames records);
      one = name: chosen: wheel {
        inherit name interpreter;
        inherit (chosen) version file sha256;
        index = if index == null then selected.index else index;
        record = records.${name} or "strict";
      };
    in
    if unused != [ ] then
      throw "record: the environment does not contain ${concatStringsSep ", " unused}"
    else fresh lock selected.requirements (mapAttrs one selected.wheels);
in
{
  inherit wheels;

  # A virtual environment of locked packages.
  #
  #   name           the name of the result
  #   interpreter    default: Python 3.11
  #   lock           the path of a clutch.lock
  #   packages       the names of the packages to install, or null for all of them
  #   distributions  more distributions, already installed, such as those of `package`
  #   collisions     for a path in several distributions, the name of the one to take it from
  #   record         for a package whose RECORD is known to be wrong: "lenient"
  #   check          false to allow unmet requirements
  #   index          the name of an index to use instead of the lock's
  #   mainProgram    the program that `clutch run` starts; default: the interpreter
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
      # computed here, so that an error shows the line that asks for the environment
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

  # Makes a distribution from pure Python sources, without a build backend.
  #
  #   name, version  the name and version of the distribution
  #   source         a folder; its content goes to site-packages
  #   scripts        programs: { serve = "module:function"; }
  #   requires       its requirements (PEP 508)
  package =
    { name, version, source, interpreter ? default, scripts ? { }, requires ? [ ] }:
    if !(host.isDistributionName name) then
      throw "name = ${toJSON name} is not a distribution name, expected letters and digits with '-', '_' or '.' between them"
    else if !(host.isVersion version) then
      throw "version = ${toJSON version} is not a version (PEP 440), expected one like \"1.0\" or \"2.1.post3\""
    else if isPath source && !(pathExists source) then throw "source: ${toString source} does not exist"
    else derivation {
      name = storeName "${name}-${version}";
      distribution = name;
      system = "builtin";
      builder = "builtin:distribution";
      __structuredAttrs = true;
      inherit version source interpreter scripts requires;
    };

  # Makes a program that runs a script in an environment. Its arguments come before those of the command
  # line.
  #
  #   name           the name of the program and of the result
  #   environment    a result of `environment`
  #   script         a path, or a text such as "${./src}/main.py" if it needs files beside it
  #   args           texts or paths
  program = { name, environment, script, args ? [ ] }:
    let
      # a JSON string is a Python string
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
        sys.argv[:1] = [${concatStringsSep ", " ([ "script" ] ++ map literal args)}]
        sys.path[0] = os.path.dirname(script)
        runpy.run_path(script, run_name="__main__")
      '';
    } // {
      inherit environment;
      meta.mainProgram = name;
    };
}
