//! An installed distribution as an environment sees it: a store object with a site-packages folder,
//! read from its own description.

use std::io;

use super::EnvironmentError;
use crate::{
    build::task::Task,
    limits,
    net::simple::normalised,
    python::{
        target::Interpreter,
        wheel::{
            entry_points::{self, Script},
            headers::Headers,
        },
    },
    store_path::StorePath,
    trees::Place,
};

/// A store object that an environment is composed from.
#[derive(Clone, Debug)]
pub struct Distribution<'a> {
    /// The name as it is compared; of an object without a description, the store path's.
    pub name: String,
    /// The version; empty without a description.
    pub version: String,
    /// Its place in the store.
    pub path: StorePath,
    /// What it holds.
    pub tree: Place<'a>,
    /// The name of its `.dist-info` folder.
    pub dist_info: Option<String>,
    /// The programs that it asks for.
    pub scripts: Vec<Script>,
    /// What it needs, as PEP 508 writes it.
    pub requires: Vec<String>,
    /// The versions of Python that it is for.
    pub requires_python: Option<String>,
}

impl<'a> Distribution<'a> {
    /// Reads the distribution at a logical path.
    ///
    /// # Errors
    /// Where it is no input, was made for another interpreter, or is described more than once.
    pub fn read(
        task: &'a Task<'_>,
        logical: &str,
        interpreter: &Interpreter,
    ) -> Result<Self, EnvironmentError> {
        let fail = |reason: String| EnvironmentError::Distribution { path: logical.into(), reason };
        let path = StorePath::parse(logical).map_err(|e| fail(e.to_string()))?;
        let tree = task.input(logical)?;
        let library = tree.join(interpreter.site_packages());
        let entries = library.entries().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => fail(format!(
                "it has no folder '{}': it was made for another interpreter, or is no distribution",
                interpreter.site_packages()
            )),
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
            several => return Err(fail(format!("it has several: {}", several.join(", ")))),
        }
        Ok(found)
    }

    fn describe(&mut self, info: &Place<'_>) -> Result<(), String> {
        let read = |place: Place<'_>| place.read(limits::METADATA).map_err(|e| e.to_string());
        let metadata = read(info.join("METADATA"))?;
        let metadata = Headers::parse(&metadata).map_err(|e| format!("METADATA: {e}"))?;
        let (name, version) = (metadata.one("name")?, metadata.one("version")?);
        if name.len() > limits::FILE_NAME || version.len() > limits::VERSION {
            return Err("METADATA: its name or version is longer than any".to_owned());
        }
        self.name = normalised(name);
        version.clone_into(&mut self.version);
        self.requires = metadata.all("requires-dist").map(str::to_owned).collect();
        self.requires_python = metadata.all("requires-python").next().map(str::to_owned);
        let points = info.join("entry_points.txt");
        if points.kind().map_err(|e| e.to_string())?.is_some() {
            self.scripts = entry_points::scripts(&read(points)?)?;
        }
        Ok(())
    }
}
