//! The cost of one sandbox from the request to the exit status, around a program that does nothing,
//! and what each further input adds.

use std::{path::PathBuf, process::Command, sync::LazyLock};

use clutch::build::sandbox::{Exit, Request, Sandbox, Watch, init_if_helper};
use divan::Bencher;

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(Sandbox::new);

/// A folder with a static program, a `build` and a `store` folder, and 1,000 inputs.
static DIR: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let source = dir.path().join("nothing.c");
    fs_err::write(&source, "int main(void) { return 0; }").expect("writable");
    let mut compiler = Command::new("cc");
    compiler.args(["-static", "-O1", "-o"]).arg(dir.path().join("nothing")).arg(&source);
    assert!(compiler.status().expect("a C compiler").success());
    for thread in 0..8 {
        fs_err::create_dir_all(dir.path().join(format!("build{thread}"))).expect("writable");
        fs_err::create_dir_all(dir.path().join(format!("store{thread}"))).expect("writable");
    }
    for input in 0..1000 {
        fs_err::create_dir_all(dir.path().join(format!("inputs/{input}"))).expect("writable");
    }
    dir
});

fn request(thread: usize, inputs: usize) -> Request {
    let at = |name: &str| -> PathBuf { DIR.path().join(name) };
    let mut request = Request::new("/bin/nothing")
        .read_only(at("nothing"), "/bin/nothing")
        .writable(at(&format!("build{thread}")), "/build")
        .writable(at(&format!("store{thread}")), "/clutch/store");
    for input in 0..inputs {
        let inside = format!("/clutch/store/{input}");
        request = request.read_only(at(&format!("inputs/{input}")), inside);
    }
    request
}

fn run(request: &Request) {
    let watch = Watch { output: &mut |_| {}, cancelled: &|| false };
    let exit = SANDBOX.run(request, watch).expect("this machine allows sandboxes");
    assert_eq!(exit, Exit::Code(0));
}

#[divan::bench(args = [0, 10, 100, 1000])]
fn cycle(bencher: Bencher<'_, '_>, inputs: usize) {
    let request = request(0, inputs);
    run(&request);
    bencher.bench_local(|| run(&request));
}

#[divan::bench]
fn two_at_a_time(bencher: Bencher<'_, '_>) {
    let requests = [request(0, 0), request(1, 0)];
    bencher.bench_local(|| {
        std::thread::scope(|scope| {
            for request in &requests {
                scope.spawn(|| (0..10).for_each(|_| run(request)));
            }
        });
    });
}

#[divan::bench]
fn process_without_sandbox(bencher: Bencher<'_, '_>) {
    let program = DIR.path().join("nothing");
    bencher.bench_local(|| Command::new(&program).status().expect("it runs"));
}

fn main() {
    init_if_helper().expect("the benchmark runs no view");
    divan::main();
}
