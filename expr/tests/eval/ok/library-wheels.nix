# The choice of a wheel in the library: the best of each list.
let
  wheels = import ../../../lib/python/wheels.nix {
    pythonVersion = "3.11";
    glibc = "2.36";
    machine = "x86_64";
  };
  choose = tags: wheels.choose (map (tag: "a_b-1.0-${tag}.whl") tags);
in
{
  native = choose [ "py3-none-any" "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64" ];
  newest = choose [ "cp311-cp311-manylinux_2_17_x86_64" "cp311-cp311-manylinux_2_28_x86_64" "cp311-cp311-manylinux_2_39_x86_64" ];
  stable = choose [ "cp38-abi3-manylinux1_x86_64" "cp39-abi3-manylinux1_x86_64" "cp312-abi3-manylinux1_x86_64" ];
  abi = choose [ "cp310-abi3-manylinux_2_28_x86_64" "cp311-abi3-linux_x86_64" ];
  platform = choose [ "cp311-none-any" "py311-none-any" "py3-none-linux_x86_64" ];
  build = choose [ "1-py3-none-any" "12x-py3-none-any" "2-py3-none-any" "py2.py3-none-any" ];
  none = choose [
    "cp312-cp312-linux_x86_64"
    "cp311-cp311-macosx_11_0_arm64"
    "cp311-cp311t-manylinux_2_28_x86_64"
    "cp311-cp311-musllinux_1_2_x86_64"
    "cp311-cp311-manylinux_2_28_aarch64"
    "py2-none-any"
  ];
  empty = choose [ ];
  bad = (builtins.tryEval (wheels.choose [ "a-1.0.tar.gz" ])).success;
}
