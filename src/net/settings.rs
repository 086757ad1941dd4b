//! The settings of the machine's own clients: pip (its manual, "Configuration"), uv (its
//! manual, "Settings") and apt (sources.list(5)). Each gives an address and its origin.

use std::path::PathBuf;

use fs_err as fs;

use super::{
    config_file::{ConfigFileError, read},
    host::HostEnvironment,
};
use crate::unpack::deb;

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin} is '{text}', expected {expected}")]
pub struct SettingError {
    /// The variable or file that has it.
    pub origin: String,
    /// Its value.
    pub text: String,
    /// The form that is expected.
    pub expected: &'static str,
}

/// An address as text, and the setting that has it.
pub(super) type Client = (String, String);

/// The index of Python packages that pip or uv would use.
pub(super) fn pypi(environment: &HostEnvironment) -> Result<Option<Client>, ConfigFileError> {
    for name in ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"] {
        if let Some(value) = environment.variable(name) {
            return Ok(Some((without_name(value).to_owned(), format!("the variable {name}"))));
        }
    }
    for path in pip_files(environment) {
        if let Some(url) = read(&path)?.and_then(|text| pip_setting(&text, "index-url")) {
            return Ok(Some((url, path.display().to_string())));
        }
    }
    for path in uv_files(environment) {
        let Some(text) = read(&path)? else { continue };
        let table: toml::Table =
            toml::from_str(&text).map_err(|e| ConfigFileError::not_toml(&path, &text, &e))?;
        if let Some(url) = uv_setting(&table) {
            return Ok(Some((url, path.display().to_string())));
        }
    }
    Ok(None)
}

/// The certificates that the machine's clients are told to trust, each with the setting that
/// says so: a file or a folder. Those of OpenSSL come first, which has a variable for either.
#[must_use]
pub(crate) fn certificates(environment: &HostEnvironment) -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    let mut add = |name: &str, is_list: bool| {
        let value = environment.variable(name).unwrap_or_default();
        let separator = |c: char| is_list && c == ':';
        let parts = value.split(separator).filter(|part| !part.is_empty());
        // OpenSSL passes over a folder that is not there
        let parts = parts.map(PathBuf::from).filter(|path| !is_list || path.is_dir());
        found.extend(parts.map(|path| (path, format!("the variable {name}"))));
        !found.is_empty()
    };
    add("SSL_CERT_FILE", false);
    if add("SSL_CERT_DIR", true) {
        return found;
    }
    for name in ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
        if add(name, false) {
            return found;
        }
    }
    let setting = pip_files(environment).into_iter().find_map(|path| {
        let value = pip_setting(&read(&path).ok()??, "cert")?;
        Some((value.into(), path.display().to_string()))
    });
    setting.into_iter().collect()
}

/// The timeout of pip or uv, in seconds as text, and the setting.
pub(crate) fn timeout(environment: &HostEnvironment) -> Option<Client> {
    let variables = ["UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT"];
    either(environment, &variables, &["timeout", "default-timeout"])
}

/// The retries of pip or uv, as text, and the setting.
pub(crate) fn retries(environment: &HostEnvironment) -> Option<Client> {
    either(environment, &["UV_HTTP_RETRIES", "PIP_RETRIES"], &["retries"])
}

/// The first of some variables that is set, or else of some settings in pip's files.
fn either(environment: &HostEnvironment, variables: &[&str], settings: &[&str]) -> Option<Client> {
    for name in variables {
        if let Some(value) = environment.variable(name) {
            return Some((value.to_owned(), format!("the variable {name}")));
        }
    }
    pip_files(environment).into_iter().find_map(|path| {
        let text = read(&path).ok()??;
        let value = settings.iter().find_map(|name| pip_setting(&text, name));
        Some((value?, path.display().to_string()))
    })
}

/// uv allows `name=address`.
fn without_name(value: &str) -> &str {
    match value.split_once('=') {
        Some((name, url)) if !name.contains(['/', ':']) => url,
        _ => value,
    }
}

/// pip's files, the most important first.
fn pip_files(environment: &HostEnvironment) -> Vec<PathBuf> {
    let mut files = Vec::new();
    match environment.variable("PIP_CONFIG_FILE") {
        // the documented way to switch all files off
        Some("/dev/null") => return files,
        Some(path) => files.push(path.into()),
        None => {}
    }
    files.extend(environment.config_home().map(|home| home.join("pip/pip.conf")));
    files.extend(environment.home().map(|home| home.join(".pip/pip.conf")));
    files.push(environment.root.join("etc/pip.conf"));
    files.extend(environment.config_dirs().into_iter().map(|dir| dir.join("pip/pip.conf")));
    files
}

/// A setting of `[install]` or else `[global]`, in the form of Python's configparser.
fn pip_setting(text: &str, name: &str) -> Option<String> {
    let mut section = "";
    let (mut global, mut install) = (None, None);
    for line in text.lines() {
        if line.starts_with(['#', ';', ' ', '\t']) {
            continue;
        }
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = line.split_once(['=', ':'])
            && key.trim().to_ascii_lowercase().replace('_', "-").trim_start_matches("--") == name
            && !value.trim().is_empty()
        {
            match section {
                "global" => global = Some(value.trim().to_owned()),
                "install" => install = Some(value.trim().to_owned()),
                _ => {}
            }
        }
    }
    install.or(global)
}

fn uv_files(environment: &HostEnvironment) -> Vec<PathBuf> {
    if let Some(path) = environment.variable("UV_CONFIG_FILE") {
        return vec![path.into()];
    }
    let mut files: Vec<_> =
        environment.config_home().map(|home| home.join("uv/uv.toml")).into_iter().collect();
    files.extend(environment.config_dirs().into_iter().map(|dir| dir.join("uv/uv.toml")));
    files.push(environment.root.join("etc/uv/uv.toml"));
    files
}

fn uv_setting(table: &toml::Table) -> Option<String> {
    let default = table.get("index").and_then(toml::Value::as_array).and_then(|indexes| {
        indexes.iter().find(|i| i.get("default").and_then(toml::Value::as_bool) == Some(true))
    });
    let url = match default {
        Some(index) => index.get("url"),
        None => table.get("index-url").or_else(|| table.get("pip")?.get("index-url")),
    };
    url?.as_str().map(str::to_owned)
}

/// The first of apt's sources whose path has a part of that name (`debian`, `debian-security`).
pub(super) fn apt(environment: &HostEnvironment, name: &str) -> Option<Client> {
    let apt = environment.root.join("etc/apt");
    let mut files = vec![apt.join("sources.list")];
    let parts = fs::read_dir(apt.join("sources.list.d")).into_iter().flatten();
    let mut parts: Vec<_> = parts.flatten().map(|entry| entry.path()).collect();
    parts.sort();
    files.extend(parts);
    files.into_iter().find_map(|path| {
        let text = fs::read_to_string(&path).ok()?;
        let uris = match path.extension()?.to_str()? {
            "list" => one_line_sources(&text),
            "sources" => deb822_sources(&text),
            _ => return None,
        };
        let matches = |uri: &String| {
            let fetched = ["http://", "https://", "file:/"].iter().any(|s| uri.starts_with(s));
            fetched && uri.split('/').skip(3).any(|part| part == name)
        };
        Some((uris.into_iter().find(matches)?, path.display().to_string()))
    })
}

/// `deb [options] uri suite [component...]`, one a line.
fn one_line_sources(text: &str) -> Vec<String> {
    let uri = |line: &str| {
        let line = line.split('#').next()?.trim();
        let rest = line.strip_prefix("deb")?;
        let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        rest.split_whitespace().next().map(str::to_owned)
    };
    text.lines().filter_map(uri).collect()
}

/// Paragraphs of fields.
fn deb822_sources(text: &str) -> Vec<String> {
    let mut uris = Vec::new();
    for paragraph in text.split("\n\n") {
        let fields = deb::fields(paragraph);
        let words = |name: &str| fields.get(name).map_or("", String::as_str).split_whitespace();
        let off = words("enabled").any(|word| word == "no");
        if words("types").any(|word| word == "deb") && !off {
            uris.extend(words("uris").map(str::to_owned));
        }
    }
    uris
}
