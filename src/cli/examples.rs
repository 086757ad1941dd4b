//! Examples at the end of the help of each command. A line has at most 80 characters.

pub(super) const CLUTCH: &str = "\
Terms:
  derivation  A build recipe. An expression describes one or several
  store path  A source, a derivation or a build output in the store
  closure     A store path with everything that it depends on
  result      A link to a build output: keeps it while you work on a project
  pin         A name that keeps a store path, for some time or until removed
  profile     A name to deploy under: leads to the current generation
  generation  A build output that a profile led to. You can roll back to it

Examples:
  clutch lock requirements.txt  Lock packages in clutch.lock
  clutch run . -- python        Build default.nix and run Python in it
  clutch shell .                Start a shell in the same environment
  clutch help run               Show the help of a command";

pub(super) const EVAL: &str = "\
Examples:
  clutch eval                           Evaluate default.nix in this folder
  clutch eval -E '1 + 1'                Evaluate an expression
  clutch eval --json -A packages x.nix  Print an attribute as JSON";

pub(super) const REPL: &str = "\
Examples:
  clutch repl              Start without a file
  clutch repl default.nix  Load the attributes of a file";

pub(super) const BUILD: &str = "\
Examples:
  clutch build                       Build default.nix and link ./result to it
  clutch build -A tools.hello x.nix  Build one attribute of another file
  clutch build --dry-run             Show what would be built";

pub(super) const RUN: &str = "\
Examples:
  clutch run examples/report               Run the main program
  clutch run examples/report -- --help     Run it with an argument
  clutch run examples/report -- python -V  Run another program
  clutch run ./result                      Run what you built before";

pub(super) const SHELL: &str = "\
Examples:
  clutch shell                    Start a shell in the default.nix environment
  clutch shell . -- pytest tests  Run one command in it";

pub(super) const SHOW: &str = "\
Examples:
  clutch show ./result                        Show a store path
  clutch show --json /clutch/store/...-x.drv  Show a derivation as JSON";

pub(super) const LOG: &str = "\
Examples:
  clutch log ./result  Show how a result was built
  clutch log -f .      Follow a build that is running";

pub(super) const CLOSURE: &str = "\
Examples:
  clutch closure ./result             List all dependencies
  clutch closure --size ./result      Show their sizes, too
  clutch closure ./result --why PATH  Show why PATH is a dependency";

pub(super) const PATHS: &str = "\
Examples:
  clutch paths         List all paths
  clutch paths --json  List them as JSON";

pub(super) const EXPORT: &str = "\
Examples:
  clutch export ./result -o app.clutch                    Write a file
  clutch export ./result -o - | ssh HOST clutch import -  Copy to a machine";

pub(super) const IMPORT: &str = "\
Examples:
  clutch import app.clutch --accept-unsigned  Import what another machine built
  clutch import app.clutch --pin app          Pin it as well";

pub(super) const LOCK: &str = "\
Examples:
  clutch lock requirements.txt                Write clutch.lock beside the file
  clutch lock --python 3.13 requirements.txt  Lock for another Python
  clutch lock --debian bookworm hello         Lock a Debian package";

pub(super) const GC: &str = "\
Examples:
  clutch gc                                     Delete everything unused
  clutch gc --dry-run                           Show what would be deleted
  clutch gc --keep-days 30 --keep-downloads 2G  Keep what was used lately";

pub(super) const WHY_ALIVE: &str = "\
Examples:
  clutch why-alive ./result  Show the links, profiles and pins that use it";

pub(super) const PIN: &str = "\
Examples:
  clutch pin                         List all pins
  clutch pin app ./result            Keep a result until the pin is removed
  clutch pin app ./result --days 30  Keep it for 30 days
  clutch pin --remove app            Remove the pin";

pub(super) const PROFILE: &str = "\
Examples:
  clutch profile set web .     Build default.nix and deploy it as web
  clutch run web               Run it
  clutch profile rollback web  Go back to the generation before";

pub(super) const PROFILE_SET: &str = "\
Examples:
  clutch profile set web .                       Build default.nix and deploy it
  clutch profile set web ./result                Deploy what you built before
  clutch profile set web . --note 'new certifi'  Add a note to the generation
  clutch profile set ./web .                     Use the link ./web as a profile";

pub(super) const PROFILE_LIST: &str = "\
Examples:
  clutch profile list      List all profiles
  clutch profile list web  List the generations of one";

pub(super) const PROFILE_ROLLBACK: &str = "\
Examples:
  clutch profile rollback web         Go back to the generation before
  clutch profile rollback web --to 3  Go to generation 3";

pub(super) const PROFILE_DIFF: &str = "\
Examples:
  clutch profile diff web             Show what the last deployment changed
  clutch profile diff web 3           Compare generation 3 with the current one
  clutch profile diff web 3 5         Compare generations 3 and 5
  clutch profile diff ./old ./result  Compare two results";

pub(super) const PROFILE_WIPE: &str = "\
Examples:
  clutch profile wipe web                  Keep only the current generation
  clutch profile wipe web --keep 3         Keep the newest three
  clutch profile wipe web --older-than 30  Delete those older than 30 days";

pub(super) const PROFILE_DELETE: &str = "\
Examples:
  clutch profile delete web  Delete the profile and its generations
  clutch gc                  Then free the disk space";

pub(super) const VERIFY: &str = "\
Examples:
  clutch verify                             Check the whole store
  clutch verify --repair                    Repair what is damaged
  clutch verify --repair --from app.clutch  Repair it from an export";

pub(super) const OPTIMISE: &str = "\
Examples:
  clutch optimise  Share equal files in the whole store";

pub(super) const STORE: &str = "\
Examples:
  clutch store delete        Delete the store after a confirmation
  clutch store delete --yes  Delete it without asking";

pub(super) const DOCTOR: &str = "\
Examples:
  clutch doctor  Check this machine";

pub(super) const COMPLETIONS: &str = "\
Examples:
  source <(clutch completions bash)  Add this to ~/.bashrc
  source <(clutch completions zsh)   Add this to ~/.zshrc, after compinit
  clutch completions fish | source   Add this to ~/.config/fish/config.fish";

pub(super) const MAN: &str = "\
Examples:
  clutch man ~/.local/share/man/man1  Write the pages
  man clutch-build                    Read one";
