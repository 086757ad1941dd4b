//! The texts by which a distribution describes itself, and the names that stand in them. The laws: what
//! is refused is refused in a short message; byte order marks and the kind of line ends make no
//! difference; what is read and written again is the same.

use clutch::{
    limits,
    python::{
        marker::{Marker, MarkerEnvironment},
        requirement::Requirement,
        requirements::{Needs, unmet},
        tags::Tags,
        version::{Specifiers, Version},
        wheel::{
            entry_points::{program_name, scripts},
            headers::Headers,
            record,
        },
        wheel_name::{WheelName, sdist_version},
    },
};

/// `METADATA`, `WHEEL`, `RECORD`, `entry_points.txt`, names of wheels, versions, requirements: any text
/// is tried as each of them.
pub fn description(data: &[u8]) {
    same_in_other_forms(data, &|content| short(Headers::parse(content)).map(|h| format!("{h:?}")));
    same_in_other_forms(data, &|content| short(scripts(content)).map(|s| format!("{s:?}")));
    if !data.contains(&b'"') {
        same_in_other_forms(data, &|content| {
            short(record::parse(content)).map(|rows| format!("{rows:?}"))
        });
    }
    if let Some(headers) = short(Headers::parse(data)) {
        let _ = short(headers.one("name"));
        let requires: Vec<String> = headers.all("requires-dist").map(str::to_owned).collect();
        let environment = environment();
        let needs = Needs {
            name: "demo",
            version: "1",
            requires: &requires,
            requires_python: headers.all("requires-python").next(),
        };
        for problem in unmet(&[needs], &[("demo", "x")], &environment, &is_short, &|| false) {
            is_short(&problem.to_string());
        }
        super::taken();
    }
    if let Some(mut rows) = short(record::parse(data)) {
        let text = record::format(&mut rows);
        assert_eq!(record::parse(text.as_bytes()).as_ref(), Ok(&rows));
        super::taken();
    }
    if let Some(found) = short(scripts(data)) {
        assert!(found.is_sorted_by(|a, b| a.name < b.name), "{found:?}");
        let mut text = String::from("[console_scripts]\n");
        for script in &found {
            program_name(&script.name).expect("a name that was taken");
            assert!(!script.name.contains('/') && script.name.len() <= limits::FILE_NAME);
            text += &format!("{} = {}:{}\n", script.name, script.module, script.function);
        }
        assert_eq!(scripts(text.as_bytes()), Ok(found));
        super::taken();
    }
    for line in String::from_utf8_lossy(data).lines() {
        name(line);
        requirement(line);
    }
}

/// The file name of a wheel or source distribution.
fn name(text: &str) {
    let _ = sdist_version(text, "demo");
    let Some(wheel) = short(text.parse::<WheelName>()) else { return };
    assert!(text.len() <= limits::FILE_NAME);
    let tags = wheel.python.len() * wheel.abi.len() * wheel.platform.len();
    assert!((1..=limits::WHEEL_TAGS).contains(&tags), "{tags} tags");
    let _ = Tags::cpython(11, &"manylinux_2_36_x86_64".parse().unwrap()).rank(&wheel);
    let again =
        text.to_ascii_lowercase().replace(&wheel.version.to_string(), "1").parse::<WheelName>();
    assert!(again.is_err() || again.is_ok_and(|again| again.python == wheel.python));
    super::taken();
}

fn requirement(text: &str) {
    if let Some(version) = short(text.parse::<Version>()) {
        assert_eq!(version.to_string().parse::<Version>(), Ok(version.clone()));
        let pinned = format!("=={version}").parse::<Specifiers>();
        assert!(pinned.is_ok_and(|pinned| pinned.contains(&version)), "{version}");
    }
    if let Some(marker) = short(text.parse::<Marker>()) {
        let _ = marker.holds(&environment(), &["x"].into());
        assert_eq!(marker.to_string().parse::<Marker>(), Ok(marker));
    }
    if let Some(requirement) = short(text.parse::<Requirement>()) {
        if let Some(pin) = requirement.pin() {
            assert!(requirement.versions.contains(pin));
        }
        super::taken();
    }
}

fn environment() -> MarkerEnvironment {
    MarkerEnvironment {
        python_version: "3.11".into(),
        python_full_version: "3.11.2".into(),
        machine: "x86_64".into(),
    }
}

/// With a byte order mark, and with other line ends if that changes nothing else.
fn same_in_other_forms(data: &[u8], read: &dyn Fn(&[u8]) -> Option<String>) {
    if data.starts_with(b"\xef\xbb\xbf") {
        return;
    }
    let plain = read(data);
    assert_eq!(read(&[b"\xef\xbb\xbf", data].concat()), plain);
    if !data.contains(&b'\r') {
        for end in [&b"\r\n"[..], b"\r"] {
            let other = data.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(end);
            assert_eq!(read(&other), plain);
        }
    }
}

/// The value that was read; an error is fine if it can be shown.
fn short<T, E: std::fmt::Display>(result: Result<T, E>) -> Option<T> {
    result.map_err(|error| is_short(&error.to_string())).ok()
}

fn is_short(message: &str) {
    assert!(message.len() < 2000, "a message of {} bytes", message.len());
    assert!(!message.contains('\u{1b}'), "{message:?}");
}

/// Seeds of [`description`].
pub fn descriptions() -> Vec<Vec<u8>> {
    let texts: &[&str] = &[
        "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Python: >=3.8\n\
         Requires-Dist: Other[x] (>=1,<2) ; python_version < '3.12' and extra == 'x'\n\
         Requires-Dist: demo[y]; extra == 'x'\nLicense: one\n        two\n\nA text: so\n",
        "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "demo/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n\
         demo-1.0.dist-info/RECORD,,\n",
        "\"demo/a,b\"\"c.py\",sha256=x,12\n",
        "# x\n[console_scripts]\ndemo = demo.cli:main\nB=a:b.c [x, y]\n\n[other]\nz = ?\n\
         [gui_scripts]\ng = a:b\n",
        "demo-1.0-py3-none-any.whl\nFoo_Bar.baz-1.0rc1-2b-cp311.py3-none-manylinux1_x86_64.linux_x86_64.whl\n",
        "demo-1.0.tar.gz\ndemo==1.0 ; os_name == 'posix' or ('x' in sys_platform)\n\
         demo @ https://example.test/x ; extra != 'y'\n1!2.0a1.post3.dev4+local.5\n",
        "python_version in '3.11, 3.12' and implementation_name == \"cpython\"\ndemo~=1.2,!=1.3.*\n",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
