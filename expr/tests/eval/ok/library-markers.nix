# Environment markers (PEP 508) in the library: lists of those that hold, that do not, that are none.
let
  holds = import ../../../lib/python/marker.nix {
    python_version = "3.11";
    python_full_version = "3.11.2";
    implementation_name = "cpython";
    os_name = "posix";
    sys_platform = "linux";
    platform_system = "Linux";
    platform_machine = "x86_64";
    extra = "";
  };
in
{
  yes = map holds [
    "python_version >= '3.9'"
    "python_version<'3.10' or sys_platform == 'linux'"
    "(python_version >= '3.9' and os_name == 'nt') or 'linux' in sys_platform"
    "sys_platform not in 'win32 cygwin'"
    "python_full_version ~= '3.11.0'"
    "python_version ~= '3.10'"
    "python_version == '3.*'"
    "python_version == '3.11.0'"
    "'3.9' < python_version"
    "platform_machine == \"x86_64\" and (python_version >= '3.12' or python_version > '3')"
  ];
  no = map holds [
    "python_version < \"3.11\""
    "python_version != '3.11.0'"
    "python_version > '3.11'"
    "python_full_version ~= '3.10.0'"
    "python_version == '3.1.*'"
    "extra == 'test'"
    "os_name == 'nt' or sys_platform == 'win32'"
  ];
  none = map (text: (builtins.tryEval (holds text)).success) [
    ""
    "python_version"
    "unknown == 'x'"
    "(os_name == 'x'"
    "os_name == 'x' os_name"
    "os_name @ 'x'"
  ];
}
