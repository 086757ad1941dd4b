# `import <nix/fetchurl.nix>`, with which expressions written for Nix fetch a file by its hash.
{ url
, system ? ""
, hash ? ""
, md5 ? ""
, sha1 ? ""
, sha256 ? ""
, sha512 ? ""
, outputHash ?
    if hash != "" then hash
    else if sha512 != "" then sha512
    else if sha1 != "" then sha1
    else if md5 != "" then md5
    else sha256
, outputHashAlgo ?
    if hash != "" then ""
    else if sha512 != "" then "sha512"
    else if sha1 != "" then "sha1"
    else if md5 != "" then "md5"
    else "sha256"
, executable ? false
, unpack ? false
, name ? baseNameOf (toString url)
}:
if unpack then
  throw "<nix/fetchurl.nix>: '${name}': `unpack` (of NAR files) is not supported; use builtins.fetchTarball for other archives"
else
  derivation {
    inherit name outputHash outputHashAlgo;
    system = "builtin";
    builder = "builtin:fetch";
    inherit executable;
    outputHashMode = if executable then "recursive" else "flat";
    urls = [ url ];
  }
