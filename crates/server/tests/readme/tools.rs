//! What only these tests need. `script/test` installs it and says so with
//! `COUNTERSIGN_TEST_TOOLS=all`; then, and where `CI` is `true`, it must be there. Elsewhere a test
//! without its tools is skipped, with a note.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::session::PROGRAM;

/// `found`, or a note.
pub(super) fn tool<T>(what: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        let is = |name, value| env::var(name).as_deref() == Ok(value);
        let all = is("COUNTERSIGN_TEST_TOOLS", "all") || is("CI", "true");
        assert!(!all, "{what} is missing");
        eprintln!("skipped: {what} is missing");
    }
    found
}

fn succeeds(program: &Path, args: [&str; 2]) -> bool {
    let done = Command::new(program).args(args).output();
    done.is_ok_and(|output| output.status.success())
}

/// The directory that everything is built to, and that the scripts install to.
pub(super) fn target() -> PathBuf {
    Path::new(PROGRAM).ancestors().nth(2).unwrap().to_path_buf()
}

/// `--json` is as old as curl 7.82.
pub(super) fn curl() -> Option<()> {
    let json = succeeds(
        "bash".as_ref(),
        ["-c", "curl --help all | grep -q -- --json"],
    );
    tool("curl 7.82", json.then_some(()))
}

/// The first Python with these modules: that of `script/test-python`, or the machine's.
pub(super) fn python(modules: &str) -> Option<PathBuf> {
    let ours = target().join("python/bin/python");
    let found = [ours, "python3".into(), "/usr/bin/python3".into()]
        .into_iter()
        .find(|python| succeeds(python, ["-c", &format!("import {modules}")]));
    tool(
        &format!("a Python with {modules} (script/test-python)"),
        found,
    )
}

/// The packages of `script/test-interop`, as a `node_modules` in this directory.
pub(super) fn node_modules(home: &Path) -> Option<()> {
    let modules = target().join("interop/node/node_modules");
    let found = succeeds("node".as_ref(), ["-e", "fetch"]) && modules.join("jose").exists();
    tool(
        "Node.js with jose (script/test-interop)",
        found.then_some(()),
    )?;
    let modules = fs::canonicalize(modules).unwrap();
    std::os::unix::fs::symlink(modules, home.join("node_modules")).unwrap();
    Some(())
}

pub(super) fn node() -> Option<()> {
    let found = succeeds("node".as_ref(), ["-e", "fetch"]);
    tool("Node.js", found.then_some(()))
}

/// A browser; by the names that the pages' scripts look for.
pub(super) fn chromium() -> Option<()> {
    let found = ["chromium", "google-chrome"]
        .into_iter()
        .any(|name| succeeds(name.as_ref(), ["--version", "--headless"]));
    tool("Chromium", found.then_some(()))
}

/// A proxy that is needed on the way.
pub(super) fn caddy() -> Option<()> {
    let found = succeeds("caddy".as_ref(), ["version", "--help"]);
    tool("caddy", found.then_some(()))
}
