//! The network as the user's settings say: time limits, proxies, certificates, credentials, and servers that
//! are slow, silent or lead elsewhere. All of them are on the loopback.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clutch_store_tests::{
    Ran, Space, child,
    index::{Fault, Index, sha256},
    peer::{AUTHORITY, Peer},
};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// An expression that fetches one address.
fn fetching(url: &str, content: &str) -> String {
    let hash = sha256(content.as_bytes());
    format!(
        "derivation {{ name = \"x\"; system = \"builtin\"; builder = \"builtin:fetch\"; url = \"{url}\"; \
         outputHashMode = \"flat\"; outputHashAlgo = \"sha256\"; outputHash = \"{hash}\"; }}"
    )
}

/// The binary with these variables and no others about the network. It tries once.
fn command(space: &Space, variables: &[(&str, &str)]) -> Command {
    let mut command = space.command();
    for name in ["SSL_CERT_FILE", "PIP_CERT", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name);
    }
    command.env("UV_HTTP_RETRIES", "0").envs(variables.iter().copied());
    command
}

/// Builds an expression.
fn build(space: &Space, expression: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = command(space, variables);
    command.args(["build", "--no-link", "-E", expression]);
    let ran = Ran::of(child::output(&mut command).unwrap());
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    ran
}

/// Stops a command once it waits for its server.
fn stop(mut child: std::process::Child, signal: &str) -> std::process::ExitStatus {
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it does not wait");
    let id = child.id().to_string();
    assert!(child::status(Command::new("kill").args(["-s", signal, &id])).unwrap().success());
    child.wait().unwrap()
}

/// Fetches an address, whose content has to be `content`.
fn fetch(url: &str, variables: &[(&str, &str)]) -> Result<(), String> {
    let space = Space::new(BINARY);
    let ran = build(&space, &fetching(url, "content"), variables);
    if ran.code != 0 {
        return Err(ran.stderr);
    }
    assert_eq!(fs_err::read_to_string(space.real(ran.stdout.trim_end())).unwrap(), "content");
    Ok(())
}

#[test]
fn a_stopped_fetch_ends_at_every_stage() {
    let (full, _queue) = Peer::full();
    let silent = Peer::silent("");
    let half = Peer::silent("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    let head = Peer::silent("HTTP/1.1 200 OK\r\nContent-");
    let at = |scheme: &str, peer: &Peer| format!("{scheme}://127.0.0.1:{}/x", peer.port());
    let proxy = at("http", &silent).replace("/x", "");
    let socks = proxy.replace("http", "socks5h");
    let stages = [
        ("connection", at("http", &full), ("A", "")),
        ("TLS", at("https", &silent), ("A", "")),
        ("answer", at("http", &silent), ("A", "")),
        ("head", at("http", &head), ("A", "")),
        ("body", at("http", &half), ("A", "")),
        ("proxy", "http://x.invalid/x".to_owned(), ("http_proxy", &*proxy)),
        ("tunnel", "https://x.invalid/x".to_owned(), ("https_proxy", &*proxy)),
        ("SOCKS", "https://x.invalid/x".to_owned(), ("all_proxy", &*socks)),
    ];
    std::thread::scope(|scope| {
        for (stage, url, variable) in &stages {
            scope.spawn(move || {
                let space = Space::new(BINARY);
                let events = space.path("events");
                let child = command(&space, &[*variable])
                    .args(["build", "--no-link", "-E", &fetching(url, "x"), "--events"])
                    .arg(&events)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                let start = Instant::now();
                let fetches = || {
                    fs_err::read_to_string(&events).unwrap_or_default().contains("fetching http")
                };
                while !fetches() {
                    assert!(start.elapsed() < Duration::from_secs(60), "{stage}: it never fetches");
                    std::thread::sleep(Duration::from_millis(20));
                }
                let start = Instant::now();
                assert_eq!(stop(child, "TERM").code(), Some(130), "{stage}");
                assert!(
                    start.elapsed() < Duration::from_secs(15),
                    "{stage}: {:?}",
                    start.elapsed()
                );
            });
        }
    });
}

#[test]
fn time_limits_are_those_of_the_clients() {
    let silent = Peer::silent("");
    let url = format!("http://127.0.0.1:{}/x", silent.port());
    for (name, value) in [("UV_HTTP_TIMEOUT", "1"), ("PIP_DEFAULT_TIMEOUT", "1.5")] {
        let start = Instant::now();
        let error = fetch(&url, &[(name, value)]).unwrap_err();
        assert!(error.contains(&format!("no answer within {value} s")), "{error}");
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
    let (full, _queue) = Peer::full();
    let url = format!("http://127.0.0.1:{}/x", full.port());
    let error = fetch(&url, &[("UV_HTTP_TIMEOUT", "1")]).unwrap_err();
    assert!(error.contains("no connection within 1 s"), "{error}");
    let error = fetch(&url, &[("UV_HTTP_TIMEOUT", "soon")]).unwrap_err();
    assert!(error.contains("UV_HTTP_TIMEOUT is 'soon'"), "{error}");
}

#[test]
fn plain_requests_go_to_a_proxy_with_the_whole_address() {
    let index = Index::new();
    index.file("x?y=z", "content");
    let proxy = Peer::proxy(index.address());
    let at = format!("http://me:s3cret@127.0.0.1:{}/", proxy.port());
    // a name that only the proxy can know
    fetch("http://index.invalid:81/x?y=z", &[("http_proxy", &at)]).unwrap();
    let head = proxy.seen().remove(0);
    assert!(head.starts_with("GET http://index.invalid:81/x?y=z HTTP/1.1\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains("\r\nhost: index.invalid:81\r\n"), "{head}");
    assert!(head.contains("\r\nProxy-Authorization: Basic bWU6czNjcmV0\r\n"), "{head}");
    // credentials are the proxy's
    assert!(!index.seen("x?y=z")[0].headers.contains_key("authorization"));
    // what is excepted goes directly
    let both = [("http_proxy", &*at), ("NO_PROXY", "other.test, 127.0.0.0/8")];
    fetch(&index.url("x?y=z"), &both).unwrap();
    assert_eq!(proxy.seen().len(), 1);
    let error = fetch(&index.url("none"), &[("all_proxy", &at)]).unwrap_err();
    let named =
        format!("through the proxy http://127.0.0.1:{} (the variable all_proxy)", proxy.port());
    assert!(error.contains(&named) && error.contains("404"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn secure_requests_go_through_a_tunnel() {
    let index = Index::new();
    index.file("x", "content");
    let tls = Peer::tls(index.address());
    let proxy = Peer::proxy(tls.address());
    let at = format!("127.0.0.1:{}", proxy.port());
    fetch("https://localhost/x", &[("https_proxy", &at), ("SSL_CERT_FILE", AUTHORITY)]).unwrap();
    let head = proxy.seen().remove(0);
    assert!(head.starts_with("CONNECT localhost:443 HTTP/1.1\r\n"), "{head}");
    // a proxy that is itself reached over TLS
    let proxy = Peer::proxy(index.address());
    let outer = Peer::tls(proxy.address());
    let at = format!("https://localhost:{}", outer.port());
    fetch("http://index.invalid/x", &[("http_proxy", &at), ("SSL_CERT_FILE", AUTHORITY)]).unwrap();
    assert!(proxy.seen()[0].starts_with("GET http://index.invalid/x "));
}

#[test]
fn socks_proxies_are_used() {
    let index = Index::new();
    index.file("x", "content");
    let socks = Peer::socks(index.address(), false);
    let at = |scheme: &str, peer: &Peer| format!("{scheme}://me:s3cret@127.0.0.1:{}", peer.port());
    fetch("http://index.invalid/x", &[("all_proxy", &at("socks5h", &socks))]).unwrap();
    fetch("http://localhost:81/x", &[("http_proxy", &at("socks5", &socks))]).unwrap();
    let seen = socks.seen();
    assert_eq!(seen[0], "index.invalid 80");
    assert!(seen[1].starts_with('[') && seen[1].ends_with("1] 81"), "{seen:?}");
    let asking = Peer::socks(index.address(), true);
    fetch("http://index.invalid/x", &[("all_proxy", &at("socks5h", &asking))]).unwrap();
    assert_eq!(asking.seen()[0], "me:s3cret");
    for (scheme, reason) in [("socks4", "SOCKS 4 is not supported"), ("ftp", "expected 'http://'")]
    {
        let error = fetch("http://index.invalid/x", &[("all_proxy", &at(scheme, &socks))]);
        let error = error.unwrap_err();
        assert!(error.contains(reason) && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn a_proxy_that_does_not_work_is_named() {
    // nobody listens on that port any more
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refusing = Peer::silent("HTTP/1.1 407 no\r\nContent-Length: 0\r\n\r\n");
    for (scheme, variable, port, reason) in [
        ("http", "http_proxy", port, "refused"),
        ("https", "https_proxy", port, "refused"),
        ("http", "http_proxy", refusing.port(), "requires a name and password: http_proxy="),
        ("https", "https_proxy", refusing.port(), "requires a name and password (407)"),
    ] {
        let at = format!("http://me:s3cret@127.0.0.1:{port}");
        let error = fetch(&format!("{scheme}://x.invalid/x"), &[(variable, &at)]).unwrap_err();
        let named = format!("http://127.0.0.1:{port} (the variable {variable})");
        assert!(error.contains(&named) && error.contains(reason), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn authorities_are_those_that_the_clients_are_told_of() {
    let index = Index::new();
    index.file("x", "content");
    let tls = Peer::tls(index.address());
    let url = format!("https://localhost:{}/x", tls.port());
    let error = fetch(&url, &[]).unwrap_err();
    assert!(error.contains("certificate") && error.contains("SSL_CERT_FILE"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    fs_err::copy(AUTHORITY, dir.path().join("mine.crt")).unwrap();
    fs_err::write(dir.path().join("README"), "no certificate").unwrap();
    let folder = dir.path().to_str().unwrap();
    let list = format!("/no/such/folder:{folder}");
    for (name, value) in [
        ("SSL_CERT_FILE", AUTHORITY),
        ("SSL_CERT_DIR", &list),
        ("REQUESTS_CA_BUNDLE", AUTHORITY),
        ("REQUESTS_CA_BUNDLE", folder),
        ("PIP_CERT", AUTHORITY),
    ] {
        fetch(&url, &[(name, value)]).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    // it is for localhost
    let proxy = format!("127.0.0.1:{}", Peer::proxy(tls.address()).port());
    let both = [("https_proxy", &*proxy), ("SSL_CERT_FILE", AUTHORITY)];
    let error = fetch("https://other.invalid/x", &both).unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    let missing = dir.path().join("missing");
    let error = fetch(&url, &[("SSL_CERT_FILE", missing.to_str().unwrap())]).unwrap_err();
    assert!(error.contains("the variable SSL_CERT_FILE") && error.contains("missing"), "{error}");
    let none = dir.path().join("README");
    let error = fetch(&url, &[("SSL_CERT_FILE", none.to_str().unwrap())]).unwrap_err();
    assert!(error.contains("expected a certificate, found none"), "{error}");
}

#[test]
fn what_was_encrypted_stays_so() {
    let index = Index::new();
    index.file("plain", "content");
    let tls = Peer::tls(index.address());
    let secure = |path: &str| format!("https://localhost:{}/{path}", tls.port());
    let trust = [("SSL_CERT_FILE", AUTHORITY)];
    // http to https to http
    for first in [secure("x"), index.url("start")] {
        if first != secure("x") {
            index.fault("start", Fault::Redirect(secure("x")));
        }
        index.fault("x", Fault::Redirect(index.url("plain?token=s3cret")));
        let error = fetch(&first, &trust).unwrap_err();
        assert!(error.contains("not encrypted") && !error.contains("s3cret"), "{error}");
    }
    assert!(index.seen("plain").is_empty());
    // the target of a redirect is shown without its path
    index.fault("start", Fault::Redirect(secure("none?token=s3cret")));
    let error = fetch(&index.url("start"), &trust).unwrap_err();
    let origin = secure("");
    let named = format!("404 (redirected to {})", origin.trim_end_matches('/'));
    assert!(error.contains(&named) && !error.contains("s3cret"), "{error}");
    index.fault("start", Fault::Redirect(secure("plain")));
    fetch(&index.url("start"), &trust).unwrap();
}

#[test]
fn credentials_are_in_no_derivation_and_no_message() {
    let space = Space::new(BINARY);
    let url = "http://me:s3cret@127.0.0.1:9/x";
    let hash = sha256(b"");
    let structured = fetching(url, "")
        .replace("url =", "__structuredAttrs = true; urls = [")
        .replace("/x\";", "/x\" ];");
    for expression in [
        fetching(url, ""),
        structured,
        format!("(import <clutch>).fetch {{ url = \"{url}\"; sha256 = \"{hash}\"; }}"),
        format!("builtins.fetchurl {{ url = \"{url}\"; sha256 = \"{hash}\"; }}"),
        format!("builtins.fetchTarball {{ url = \"{url}\"; sha256 = \"{hash}\"; }}"),
        format!(
            "builtins.readFile (builtins.fetchurl {{ url = \"{url}\"; sha256 = \"{hash}\"; }})"
        ),
    ] {
        for words in [&[][..], &["--json"], &["--events", "-"], &["--show-trace"]] {
            let ran = space.run(["build", "--no-link", "-E", &expression].iter().chain(words));
            assert_eq!(ran.code, 1, "{}", ran.stderr);
            assert!(ran.stderr.contains("netrc"), "{}", ran.stderr);
            assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
        }
    }
    assert!(space.valid().iter().all(|path| !path.ends_with("-x.drv")), "{:?}", space.valid());
    // what is no address after all
    let build = [
        "build",
        "--no-link",
        "-E",
        "(import <clutch>).fetch { index = \"i\"; file = \"f\"; hash = \"\"; }",
    ];
    for index in ["i=me:s3cret@h", "i=http:me:s3cret@h", "me:s3cret@h", "http://me:s3cret@h?i=j"] {
        for words in [&[][..], &["--json"], &["--events", "-"]] {
            let index = ["--index", index];
            let ran = space.run(build.iter().chain(&index).chain(words));
            assert_ne!(ran.code, 0);
            assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
        }
    }
    space.write("requirements.txt", "a==1\n");
    let from = ["lock", "requirements.txt", "--from", "http://me:s3cret@h/simple"];
    let error = space.fails(1, from);
    assert!(
        error.contains("expected the name of an index") && !error.contains("s3cret"),
        "{error}"
    );
}

#[test]
fn servers_that_want_credentials_are_told_so() {
    let index = Index::new();
    for code in [401, 403] {
        index.fault("x", Fault::Status(code, None));
        let error = fetch(&index.url("x"), &[]).unwrap_err();
        assert!(error.contains("`machine 127.0.0.1 login NAME password"), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let netrc = dir.path().join("netrc");
    fs_err::write(&netrc, "machine 127.0.0.1 login me password s3cret\n").unwrap();
    index.fault("x", Fault::Status(401, None));
    let error = fetch(&index.url("x"), &[("NETRC", netrc.to_str().unwrap())]).unwrap_err();
    assert!(error.contains("refuses the name and password") && !error.contains("s3cret"));
}

#[test]
fn an_index_that_is_not_known_is_told_once_and_doctor_knows() {
    let space = Space::new(BINARY);
    let fetches = "map (n: (import <clutch>).fetch { index = \"nowhere\"; file = \"f${toString n}\"; hash = \"\"; }) \
                   (builtins.genList (n: n) 30)";
    let reason = "no address is known for the index 'nowhere'";
    for words in [&["--keep-going"][..], &[]] {
        let ran = space.run(["build", "--no-link", "-E", fetches].iter().chain(words));
        assert_eq!((ran.code, ran.stderr.matches(reason).count()), (1, 1), "{}", ran.stderr);
        let all = ran.stderr.contains("and 29 others, for the same reason");
        assert_eq!(all, !words.is_empty(), "{}", ran.stderr);
    }
    let said = space.run(["doctor", "--index", "mine=http://me:s3cret@mine.test/s"]).stdout;
    assert!(said.contains("mine is http://mine.test/s, from --index mine"), "{said}");
    let empty = Space::new(BINARY).without_programs();
    let mut doctor = command(&empty, &[]);
    doctor
        .env_remove("PIP_INDEX_URL")
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env("UV_CONFIG_FILE", "/dev/null");
    let ran = Ran::of(child::output(doctor.arg("doctor")).unwrap());
    assert!(ran.stdout.contains("the address of pypi is unknown"), "{}", ran.stdout);
    assert!(ran.stdout.contains("--index pypi=URL"), "{}", ran.stdout);
    // a mistake in the configuration file is seen by both
    let config = space.path("home/.config/clutch/config.toml");
    fs_err::create_dir_all(config.parent().unwrap()).unwrap();
    fs_err::write(&config, "[indx]\nnowhere = \"http://a.test\"\n").unwrap();
    let said = space.run(["doctor"]).stdout;
    let expected = "config.toml:1: unknown setting 'indx'; did you mean 'index'?";
    assert!(said.contains(expected), "{said}");
    let ran = build(&space, fetches, &[]);
    assert_eq!(ran.stderr.matches(expected).count(), 1, "{}", ran.stderr);
}

#[test]
fn a_lock_that_is_stopped_stays_the_old_one() {
    let silent = Peer::silent("");
    let index = format!("pypi=http://127.0.0.1:{}/simple", silent.port());
    for (signal, old) in [("INT", None), ("TERM", Some("old")), ("KILL", Some("old"))] {
        let space = Space::new(BINARY);
        space.write("requirements.txt", "small==1.0\n");
        let mut names = vec!["requirements.txt"];
        if let Some(old) = old {
            space.write("clutch.lock", old);
            names.insert(0, "clutch.lock");
        }
        let mut command = command(&space, &[]);
        command.args(["lock", "requirements.txt", "--index", &index]);
        let before = silent.seen().len();
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while silent.seen().len() == before {
            assert!(start.elapsed() < Duration::from_secs(60), "{signal}: it asks nobody");
            std::thread::sleep(Duration::from_millis(10));
        }
        let status = stop(child, signal);
        assert_eq!(status.code(), if signal == "KILL" { None } else { Some(130) }, "{signal}");
        let found = fs_err::read_dir(space.path("project")).unwrap();
        let mut found: Vec<_> =
            found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(found, names, "{signal}");
        let lock = fs_err::read_to_string(space.path("project/clutch.lock"));
        assert_eq!(lock.ok().as_deref(), old, "{signal}");
    }
}

#[test]
fn a_page_that_links_to_this_machine_locks_nothing() {
    let index = Index::new();
    let space = Space::new(BINARY);
    space.write("requirements.txt", "a==1\n");
    let more = serde_json::json!({ "url": "file:///etc/passwd" });
    index.release("a", "a-1-py3-none-any.whl", "x", more);
    let at = format!("pypi={}", index.simple());
    let error = space.fails(1, ["lock", "requirements.txt", "--index", &at]);
    assert!(error.contains("it links to a file of this machine"), "{error}");
    assert!(!space.path("project/clutch.lock").exists());
}
