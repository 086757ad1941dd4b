//! `clutch lock`: wheels for requirements, or the closure of Debian packages, pinned by hash.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;

use super::{
    context::Context,
    destination, errors,
    failure::{Failure, Kind, Outcome, expect_file},
    interruption::is_cancelled,
    quantity::counted,
};
use crate::{
    debian::{archive, closure::Scope},
    net::index::PYPI,
    python::{
        lock::{LockedRequirements, Target},
        locking,
        requirements_file::{self, ReadFile},
    },
    session::FileKind,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Requirements file with exact versions (`name==version`); with --debian, names of packages.
    #[arg(required = true, value_name = "FILE|PACKAGE", value_hint = clap::ValueHint::FilePath)]
    names: Vec<String>,
    /// Lock Debian packages from SUITE, with their dependencies.
    #[arg(long, value_name = "SUITE")]
    debian: Option<String>,
    /// File to write; `-` is standard output (default: clutch.lock beside FILE, or SUITE.lock).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Python version to lock for; can be repeated.
    #[arg(long, value_name = "VERSION", default_value = "3.11")]
    python: Vec<String>,
    /// Platform to lock for, as a wheel tag; can be repeated (default: manylinux_2_36_x86_64, and
    /// manylinux_2_41_x86_64 for Python 3.13 and later).
    #[arg(long, value_name = "PLATFORM")]
    platform: Vec<String>,
    /// Name of the index to take the wheels from; set its address with --index.
    // not `index`: that is the id of the global `--index NAME=ADDRESS`
    #[arg(long, value_name = "INDEX", default_value = PYPI)]
    from: String,
    /// With --debian, the architecture of the packages.
    #[arg(long, value_name = "ARCHITECTURE", default_value = "amd64")]
    architecture: String,
    /// With --debian, lock only the named packages, without their dependencies.
    #[arg(long, requires = "debian")]
    no_dependencies: bool,
    /// With --debian, leave out PACKAGE and anything only it depends on; can be repeated.
    #[arg(long, value_name = "PACKAGE", requires = "debian")]
    without: Vec<String>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let warn = |text: &str| context.warn(text);
    let locked = match &arguments.debian {
        Some(suite) => debian(context, arguments, suite),
        None => python(context, arguments, &warn),
    };
    let (text, packages, default) = locked.map_err(|failure| match is_cancelled() {
        true => Failure::new(Kind::Interrupted, "interrupted"),
        false => failure,
    })?;
    let output = arguments.output.clone().unwrap_or(default);
    destination::write(&output, text.as_bytes())?;
    if destination::is_output(&output) {
        return Ok(ExitCode::SUCCESS);
    }
    if context.global.json {
        context.json(&json!({ "file": output, "packages": packages }))?;
    } else {
        context.say(format!("locked {} in {}", counted(packages, "package"), output.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The text of a lock, its number of packages, and its default path.
type Locked = (String, usize, PathBuf);

fn python(
    context: &Context,
    arguments: &Arguments,
    warn: &(dyn Fn(&str) + Sync),
) -> Result<Locked, Failure> {
    let [file] = &arguments.names[..] else {
        return Err(Failure::new(Kind::Usage, "expected one requirements file")
            .hint("to include other files, add lines `-r OTHER` to it"));
    };
    let mut targets = Vec::new();
    for python in &arguments.python {
        if arguments.platform.is_empty() {
            targets.push(Target::usual(python, "x86_64")?);
        }
        for platform in &arguments.platform {
            targets.push(Target::new(python, platform)?);
        }
    }
    let file = Path::new(file);
    expect_file(file).map_err(|failure| {
        failure.hint("give a requirements file; names of packages are only for --debian SUITE")
    })?;
    if file.extension().is_some_and(|extension| extension == "toml") {
        let message = format!("'{}' is a TOML file, not a requirements file", file.display());
        return Err(Failure::new(Kind::Usage, message).hint(errors::advice(FileKind::Toml)));
    }
    let requirements = requirements_file::read(file)?;
    if requirements.lines.is_empty() {
        let message = format!("{}: the file has no requirements", file.display());
        return Err(Failure::new(Kind::Input, message));
    }
    let network = context.session.network()?;
    let mut lock = locking::lock(network, &arguments.from, &requirements, &targets, warn)?;
    let default = file.with_file_name("clutch.lock");
    let output = arguments.output.as_deref().filter(|output| !destination::is_output(output));
    lock.requirements = made_of(&requirements.files, output.unwrap_or(&default));
    Ok((lock.to_string(), lock.packages.len(), default))
}

/// The requirements files in or below the folder of the lock, which an evaluation can find.
fn made_of(files: &[ReadFile], lock: &Path) -> Vec<LockedRequirements> {
    let folder_of = |path: &Path| {
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        fs_err::canonicalize(folder.unwrap_or(Path::new("."))).ok()
    };
    let Some(folder) = folder_of(lock) else { return Vec::new() };
    let below = |file: &ReadFile| {
        let path = folder_of(&file.path)?.join(file.path.file_name()?);
        let path = path.strip_prefix(&folder).ok()?.to_str()?.to_owned();
        Some(LockedRequirements { file: path, sha256: file.sha256.clone() })
    };
    files.iter().filter_map(below).collect()
}

fn debian(context: &Context, arguments: &Arguments, suite: &str) -> Result<Locked, Failure> {
    let network = context.session.network()?;
    let request = archive::Request {
        suite,
        architecture: &arguments.architecture,
        component: "main",
        roots: &arguments.names,
        scope: Scope {
            no_dependencies: arguments.no_dependencies,
            stop: arguments.without.iter().cloned().collect(),
        },
        keyrings: archive::keyrings(Path::new("/")),
    };
    let http = network.http()?;
    let lock = archive::lock(http, network.indexes(), &request, &|text| context.warn(text))?;
    Ok((lock.to_string(), lock.packages.len(), format!("{suite}.lock").into()))
}
