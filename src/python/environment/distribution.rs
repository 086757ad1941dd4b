//! An installed distribution as an environment sees it: a store object with a site-packages folder,
//! read from its own description.

use std::io;

use super::error::{DistributionError, EnvironmentError};
use crate::{
    build::task::Task,
    inputs::{EntryKind, InputPath},
    limits,
    net::simple::normalised,
    python::{
        excerpt::several,
        target::Interpreter,
        wheel::{
            entry_points::{self, Script},
            headers::Headers,
        },
    },
    store_path::StorePath,
};

/// A store object that an environment is composed from.
#[derive(Clone, Debug)]
pub(super) struct Distribution<'a> {
    /// The normalised name; without metadata, the name of the store path.
    pub name: String,
    /// The version; empty without metadata.
    pub version: String,
    /// Its place in the store.
    pub path: StorePath,
    /// Its tree.
    pub tree: InputPath<'a>,
    /// The name of its `.dist-info` folder.
    pub dist_info: Option<String>,
    /// The programs that it declares.
    pub scripts: Vec<Script>,
    /// Its requirements, as PEP 508 writes them.
    pub requires: Vec<String>,
    /// The versions of Python that it supports.
    pub requires_python: Option<String>,
}

impl<'a> Distribution<'a> {
    /// Reads the distribution at a logical path.
    ///
    /// # Errors
    /// If it is not an input, was built for another interpreter, or is described more than once.
    pub(super) fn read(
        task: &'a Task<'_>,
        logical: &str,
        interpreter: &Interpreter,
    ) -> Result<Self, EnvironmentError> {
        let fail = |reason| EnvironmentError::Distribution { path: logical.into(), reason };
        let path = StorePath::parse(logical).map_err(|e| fail(e.into()))?;
        let tree = task.input(logical)?;
        let library = tree.join(interpreter.site_packages());
        let entries = library.entries().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                let (minor, found) = (interpreter.minor, found(&tree));
                fail(DistributionError::Other { minor, found })
            }
            _ => error.into(),
        })?;
        let names = entries.iter().filter_map(|entry| entry.name.to_str());
        let infos: Vec<_> =
            names.filter(|name| name.ends_with(".dist-info")).map(str::to_owned).collect();
        let mut found = Self {
            name: path.name().to_owned(),
            version: String::new(),
            path,
            tree,
            dist_info: None,
            scripts: Vec::new(),
            requires: Vec::new(),
            requires_python: None,
        };
        match infos.as_slice() {
            [] => {}
            [info] => {
                found.describe(&library.join(info)).map_err(fail)?;
                found.dist_info = Some(info.clone());
            }
            all => return Err(fail(DistributionError::Several(several(all, 5, ", ")))),
        }
        Ok(found)
    }

    fn describe(&mut self, info: &InputPath<'_>) -> Result<(), DistributionError> {
        let metadata = Headers::parse(&info.join("METADATA").read(limits::METADATA)?)?;
        let (name, version) = (metadata.one("name")?, metadata.one("version")?);
        if name.len() > limits::FILE_NAME || version.len() > limits::VERSION {
            return Err(DistributionError::LongName);
        }
        self.name = normalised(name);
        version.clone_into(&mut self.version);
        self.requires = metadata.all("requires-dist").map(str::to_owned).collect();
        self.requires_python = metadata.all("requires-python").next().map(str::to_owned);
        let points = info.join("entry_points.txt");
        if points.kind()?.is_some() {
            self.scripts = entry_points::scripts(&points.read(limits::METADATA)?)?;
        }
        Ok(())
    }
}

/// Describes a store object that was not built for this interpreter.
fn found(tree: &InputPath<'_>) -> String {
    let kind = match tree.kind() {
        Ok(Some(EntryKind::Folder)) => "a folder that is not a distribution",
        Ok(Some(EntryKind::File)) => "a file",
        _ => "neither a file nor a folder",
    };
    let folders = tree.join("lib").entries().unwrap_or_default();
    let versions = folders.iter().filter_map(|entry| entry.name.to_str()?.strip_prefix("python"));
    let mut versions = versions.filter(|version| {
        let library = tree.join(format!("lib/python{version}/site-packages"));
        library.kind().is_ok_and(|kind| kind == Some(EntryKind::Folder))
    });
    match versions.next() {
        Some(version) => format!("one for CPython {version}"),
        None => kind.to_owned(),
    }
}
