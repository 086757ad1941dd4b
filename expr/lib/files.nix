# Files and folders that built-in builders make.
{
  # A file with that text, or a folder with it at `destination`.
  #
  #   clutch.text { name = "greet"; text = "..."; executable = true; destination = "bin/greet"; }
  text =
    { name
    , text
    , executable ? false
    , destination ? ""
    }:
    derivation {
      inherit name text executable destination;
      system = "builtin";
      builder = "builtin:text";
    };

  # An archive as a folder.
  #
  #   src      the archive: zip, tar (gz, xz, zst, bz2) or deb
  #   format   "zip", "tar" or "deb", if the first bytes do not tell
  #   strip    how many folders to drop in front of every name; "auto" drops the one that holds all
  unpack =
    { name
    , src
    , format ? ""
    , strip ? "auto"
    }:
    derivation {
      inherit name format strip;
      # copied here, so that an error about the path shows the line that gave it
      src = if builtins.isPath src then "${src}" else src;
      system = "builtin";
      builder = "builtin:unpack";
    };
}
