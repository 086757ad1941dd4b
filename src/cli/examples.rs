//! Examples behind the help of each command.

pub(super) const EVAL: &str = "Examples:\n  clutch eval                           the value of default.nix here\n  clutch eval -E '1 + 1'                of an expression\n  clutch eval --json -A packages x.nix  one attribute, for programs";

pub(super) const REPL: &str = "Examples:\n  clutch repl              evaluates what you type\n  clutch repl default.nix  with the attributes of an expression";

pub(super) const BUILD: &str = "Examples:\n  clutch build                       default.nix here; ./result leads to the output\n  clutch build -A tools.hello x.nix  one attribute of another file\n  clutch build --dry-run             says what would be built";

pub(super) const RUN: &str = "Examples:\n  clutch run examples/report               the main program\n  clutch run examples/report -- --help     with an argument\n  clutch run examples/report -- python -V  another program of the environment\n  clutch run ./result                      what was built";

pub(super) const SHELL: &str = "Examples:\n  clutch shell                    a shell with the environment of default.nix\n  clutch shell . -- pytest tests  a command in it";

pub(super) const SHOW: &str = "Examples:\n  clutch show ./result                        a store path\n  clutch show --json /clutch/store/...-x.drv  a derivation, for programs";

pub(super) const LOG: &str = "Examples:\n  clutch log ./result  what its build printed\n  clutch log -f .      follows the build that runs";

pub(super) const CLOSURE: &str = "Examples:\n  clutch closure ./result         what it needs to run\n  clutch closure --size ./result  and how large that is";

pub(super) const PATHS: &str = "Examples:\n  clutch paths         everything in the store\n  clutch paths --json  for programs";

pub(super) const EXPORT: &str = "Examples:\n  clutch export ./result -o app.clutch                    one file for another machine\n  clutch export ./result -o - | ssh host clutch import -  without a file";

pub(super) const IMPORT: &str = "Examples:\n  clutch import app.clutch --accept-unsigned  what was built elsewhere\n  clutch import app.clutch --pin app          keeps it under a name";

pub(super) const LOCK: &str = "Examples:\n  clutch lock requirements.txt                writes clutch.lock beside it\n  clutch lock --python 3.13 requirements.txt  for another Python\n  clutch lock --debian bookworm hello         a Debian package and all that it needs";

pub(super) const GC: &str = "Examples:\n  clutch gc                                     removes what nothing keeps\n  clutch gc --dry-run                           says what would go\n  clutch gc --keep-days 30 --keep-downloads 2G  keeps what was used lately";

pub(super) const WHY_ALIVE: &str = "Examples:\n  clutch why-alive ./result  what keeps it";

pub(super) const PIN: &str = "Examples:\n  clutch pin app ./result            keeps it until it is let go\n  clutch pin app ./result --days 30  for a month\n  clutch pin --remove app            lets go";

pub(super) const PROFILE: &str = "Examples:\n  clutch profile set web .     builds and deploys default.nix as web\n  clutch run web               runs it\n  clutch profile rollback web  goes back to the one before";

pub(super) const VERIFY: &str = "Examples:\n  clutch verify           hashes everything again\n  clutch verify --repair  makes what is damaged whole";

pub(super) const OPTIMISE: &str =
    "Examples:\n  clutch optimise  shares equal files of the whole store";

pub(super) const STORE: &str =
    "Examples:\n  clutch store delete --yes  removes the whole store without a question";

pub(super) const DOCTOR: &str = "Examples:\n  clutch doctor  what this machine allows";

pub(super) const COMPLETIONS: &str = "Examples:\n  source <(clutch completions bash)  in ~/.bashrc";

pub(super) const MAN: &str =
    "Examples:\n  clutch man ~/.local/share/man/man1  then `man clutch-build` shows a page";
