//! `clutch shell` on a terminal: the environment's programs come first, whatever the user's start-up files
//! say. bash and sh are everywhere; zsh and fish are tried where they are installed.

use clutch_store_tests::{Space, terminal::Terminal};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

#[test]
fn start_up_files_do_not_put_other_programs_first() {
    let space = Space::new(BINARY);
    let program = "#!/bin/sh\necho the-environment\n";
    space.write(
        "default.nix",
        format!(
            "(import <clutch>).text {{ name = \"tools-1.0\"; executable = true; \
             destination = \"bin/python\"; text = {program:?}; }}"
        ),
    );
    space.ok(["build", "--no-link"]);
    let own = space.path("home/own/python");
    fs_err::create_dir_all(own.parent().unwrap()).unwrap();
    fs_err::write(&own, program.replace("the-environment", "the-user")).unwrap();
    fs_err::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let posix = "export PATH=$HOME/own:$PATH PYTHONPATH=/bad SEEN=seen; ";
    let fish = "set -gx PATH $HOME/own $PATH; set -gx PYTHONPATH /bad; set -gx SEEN seen; \
                function fish_prompt; echo -n 'own> '; end";
    let start_up = [
        (".bashrc", format!("{posix} PS1='own> '")),
        (".shinit", format!("{posix} PS1='own> '")),
        // this one moves the others
        (".zshenv", "export ZDOTDIR=$HOME/zsh".to_owned()),
        ("zsh/.zshrc", format!("{posix} PROMPT='own> '")),
        (".config/fish/config.fish", fish.to_owned()),
    ];
    for (name, text) in start_up {
        let file = space.path("home").join(name);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, text).unwrap();
    }
    space.write("answer", "python; env | sort | grep -e SEEN -e PYTHON -e CLUTCH_SH -e ^ENV");
    let init = space.path("home/.shinit");
    for shell in ["bash", "sh", "zsh", "fish"] {
        let found = space.command_of("sh").args(["-c", &format!("command -v {shell}")]).output();
        let found = String::from_utf8(found.unwrap().stdout).unwrap();
        if found.is_empty() && !matches!(shell, "bash" | "sh") {
            continue;
        }
        let variables =
            [("SHELL", found.trim()), ("ENV", init.to_str().unwrap()), ("PYTHONHOME", "/bad")];
        // twice: what is left of the first time is no obstacle
        for _ in 0..2 {
            let mut terminal = Terminal::new(&space, &format!("{BINARY} shell"), &variables);
            terminal.expect("(tools-1.0) own> ");
            terminal.write("sh answer > said; echo e''nd\n");
            terminal.expect("end\r\n");
            let said = fs_err::read_to_string(space.path("project/said")).unwrap();
            let mut expected = vec!["the-environment", "CLUTCH_SHELL=tools-1.0"];
            let env = format!("ENV={}", init.display());
            expected.extend([&env[..], "SEEN=seen"]);
            assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{shell}");
            terminal.write("exit 3\n");
            assert_eq!(terminal.end(), 3, "{shell}");
        }
    }
    // with a place that cannot be written there is a shell all the same
    let cache = space.path("home/.cache");
    fs_err::remove_dir_all(&cache).unwrap();
    fs_err::write(&cache, "").unwrap();
    let mut terminal = Terminal::new(&space, &format!("{BINARY} shell"), &[("SHELL", "/bin/sh")]);
    terminal.expect("may undo PATH");
    terminal.write("echo ali''ve; exit\n");
    terminal.expect("alive\r\n");
    // a command has no start-up files
    assert_eq!(
        space.ok(["shell", "--", "sh", "-c", "python; echo $CLUTCH_SHELL"]),
        "the-environment\ntools-1.0"
    );
}
