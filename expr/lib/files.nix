# Files and folders made by built-in builders.
{
  # Writes a text to a file, or to the file `destination` in a folder.
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

  # Unpacks an archive into a folder.
  #
  #   src      the archive: zip, tar (gz, xz, zst, bz2) or deb
  #   format   "zip", "tar" or "deb"; default: detected from the first bytes
  #   strip    the number of leading folders to drop from every name; "auto" drops a single top folder
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
