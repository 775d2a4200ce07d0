//! Runs a page: one shell in a fresh directory, against a fresh server, from its first block to its
//! last.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{env, fs};

use countersign_testkit::{Home, Server};

use super::page::{Block, Mark, Page};

pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");
/// Ports that the pages speak of. Here each is a free one.
const PORTS: [u16; 4] = [5000, 8000, 8080, 3000];
/// Where Countersign listens in the pages.
const COUNTERSIGN: u16 = 5000;

/// What stands before the page's own commands. A terminal is a group of processes of its own, and
/// ends with all of them.
const PREAMBLE: &str = r#"
set -euo pipefail
declare -A terminals=()
answers() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
close() {
    [[ -n ${terminals[$1]:-} ]] || return 0
    kill -- "-${terminals[$1]}" 2>/dev/null || true
    wait "${terminals[$1]}" 2>/dev/null || true
    terminals[$1]=
    for _ in {1..200}; do answers "$1" || return 0; sleep 0.05; done
}
trap 'for port in "${!terminals[@]}"; do close "$port"; done' EXIT
terminal() {
    close "$1"
    set -m
    bash -euo pipefail "$2" >"$2.log" 2>&1 &
    set +m
    terminals[$1]=$!
    for _ in {1..600}; do
        if answers "$1"; then return; fi
        kill -0 "${terminals[$1]}" 2>/dev/null || break
        sleep 0.05
    done
    printf 'nothing answers on %s:\n%s\n' "$1" "$(<"$2.log")" >&2
    return 1
}
"#;

/// What a page was run with, for tests that go on from there.
pub(super) struct Session {
    pub(super) home: Home,
    /// Killed with the session; none where the page starts its own.
    pub(super) server: Option<Server>,
    ports: BTreeMap<u16, u16>,
}

impl Session {
    /// A directory for this page, and a server unless the page starts one.
    pub(super) fn new(page: &Page) -> Self {
        let starts_one = Mark::Terminal { port: COUNTERSIGN };
        let home = Home::new(PROGRAM);
        let server =
            (!page.blocks.iter().any(|block| block.mark == starts_one)).then(|| home.start());
        let mut ports: BTreeMap<_, _> = PORTS.map(|port| (port, free_port())).into();
        if let Some(server) = &server {
            ports.insert(COUNTERSIGN, server.addr().port());
        }
        Self {
            home,
            server,
            ports,
        }
    }

    /// The text with the ports of this session.
    pub(super) fn here(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (in_the_page, here) in &self.ports {
            text = replace_word(&text, &in_the_page.to_string(), &here.to_string());
        }
        text
    }

    /// Runs the page, then `after`, and compares what the page shows. `first` are directories before
    /// all others in PATH.
    ///
    /// # Panics
    /// If a command fails or prints something else; answers how many outputs were compared.
    pub(super) fn run(&self, page: &Page, first: &[PathBuf], after: &str) -> usize {
        let mut script = PREAMBLE.to_owned();
        let mut shown = vec![];
        for (number, block) in page.blocks.iter().enumerate() {
            self.add(&mut script, &mut shown, number, block);
        }
        script += &format!("exec >step.after\n{}", self.here(after));
        let done = self.shell(&script, first);
        let errors = String::from_utf8_lossy(&done.stderr);
        for (step, (line, commands, pattern)) in shown.iter().enumerate() {
            let file = self.home.path().join(format!("step.{step}"));
            let printed = fs::read_to_string(file).unwrap_or_default();
            assert!(
                fits(printed.trim_end(), pattern),
                "{}:{line}:\n{commands}shows    {pattern}\nand prints {printed}\n{errors}",
                page.path
            );
        }
        assert!(done.status.success(), "{}: {errors}", page.path);
        shown.len()
    }

    /// Adds what becomes of this block. Each output that is shown goes to a file of its own.
    fn add(
        &self,
        script: &mut String,
        shown: &mut Vec<(usize, String, String)>,
        number: usize,
        block: &Block,
    ) {
        let code = self.here(&block.code);
        let kept = format!("block.{number}");
        match &block.mark {
            Mark::Tour => {
                for (commands, pattern) in steps(&code) {
                    // Its lines stay where they are, for a message of the shell.
                    *script += &match pattern {
                        Some(pattern) => {
                            let opened = format!("exec >step.{}\n{commands}", shown.len());
                            shown.push((block.line, commands, pattern));
                            opened
                        }
                        None => format!("exec >step.none\n{commands}"),
                    };
                }
            }
            Mark::Terminal { port } => {
                fs::write(self.home.path().join(&kept), code).unwrap();
                *script += &format!("terminal {} {kept}\n", self.ports[port]);
            }
            Mark::File(name) => {
                fs::write(self.home.path().join(&kept), code).unwrap();
                *script += &format!("mkdir -p \"$(dirname {name})\"; cp {kept} {name}\n");
            }
            Mark::AsIn(_) | Mark::Config | Mark::NotRun(_) | Mark::Unmarked => {}
        }
    }

    /// A shell in which nothing comes from the machine: no curl settings, and nothing that
    /// configures the server. It is ended after two minutes.
    fn shell(&self, script: &str, first: &[PathBuf]) -> Output {
        let home = self.home.path();
        let mut path: Vec<_> = first.to_vec();
        path.push(Path::new(PROGRAM).parent().unwrap().to_path_buf());
        path.extend(env::split_paths(&env::var_os("PATH").unwrap()));
        path.extend(["/usr/sbin".into()]);
        fs::write(home.join(".curlrc"), "silent\nshow-error\n").unwrap();
        let mut shell = Command::new("timeout");
        let ours = [
            "SECRET_KEY",
            "SECRET_KEY_PREVIOUS",
            "JWT_SECRET_KEY",
            "DATABASE_URL",
        ];
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("COUNTERSIGN_") || ours.contains(&&*name) {
                shell.env_remove(&*name);
            }
        }
        let listen = format!("127.0.0.1:{}", self.ports[&COUNTERSIGN]);
        shell
            .args(["--kill-after=5", "120", "bash", "-c", script])
            .env("COUNTERSIGN_SERVER__LISTEN", listen)
            .env("CURL_HOME", home)
            .env("PATH", env::join_paths(path).unwrap())
            .current_dir(home)
            .output()
            .unwrap()
    }
}

/// A port below those that the system gives out to everybody who asks for any.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % 90).unwrap() * 100;
    std::iter::repeat_with(|| 10_000 + offset + NEXT.fetch_add(1, Ordering::Relaxed) % 1_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

fn replace_word(text: &str, word: &str, by: &str) -> String {
    let within = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (mut done, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let inside = within(before.chars().next_back().or(done.chars().next_back()))
            || within(after.chars().next());
        done += before;
        done += if inside { word } else { by };
        rest = after;
    }
    done + rest
}

/// Commands, and what they print according to the lines below them.
fn steps(code: &str) -> Vec<(String, Option<String>)> {
    let mut steps: Vec<(String, Option<String>)> = vec![(String::new(), None)];
    for line in code.lines() {
        let (commands, shown) = steps.last_mut().unwrap();
        match (line.strip_prefix("# → "), &shown) {
            (Some(output), Some(first)) => *shown = Some(format!("{first}\n{output}")),
            (Some(output), None) => *shown = Some(output.to_owned()),
            (None, Some(_)) => steps.push((format!("{line}\n"), None)),
            (None, None) => *commands += &format!("{line}\n"),
        }
    }
    steps
}

/// Whether `text` is `pattern` with something in the place of each `…`.
fn fits(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn a_pattern_fits_nothing_else() {
    for (text, pattern) in [
        ("", "a"),
        ("ab", "a"),
        ("ab", "b"),
        ("a1c", "a…b"),
        ("ab", "a…b…b"),
        ("xab", "a…b"),
    ] {
        assert!(!fits(text, pattern), "{text} {pattern}");
    }
    for (text, pattern) in [
        ("a", "a"),
        ("a1b2c", "a…b…c"),
        ("ab", "a…b"),
        ("anything", "…"),
    ] {
        assert!(fits(text, pattern), "{text} {pattern}");
    }
}

#[test]
fn ports_are_words_and_outputs_belong_to_what_stands_above_them() {
    assert_eq!(replace_word(":80/80 8080 x80", "80", "1"), ":1/1 8080 x80");
    let steps = steps("a\nb\n# → 1\n# → 2\nc\n# → 3\nd\n");
    let step =
        |commands: &str, shown: Option<&str>| (commands.to_owned(), shown.map(str::to_owned));
    assert_eq!(
        steps,
        [
            step("a\nb\n", Some("1\n2")),
            step("c\n", Some("3")),
            step("d\n", None)
        ]
    );
}

/// What a run of these blocks says; none where all is well.
fn complaint(text: &str) -> Option<String> {
    let page = Page::of("a page", text.to_owned());
    let run = std::panic::catch_unwind(|| Session::new(&page).run(&page, &[], ""));
    run.err()
        .map(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

#[test]
fn a_page_that_says_what_is_not_so_is_noticed() {
    let own = "<!-- tour: until 5000 answers -->\n```sh\ncountersign serve\n```\n";
    let tour = |code: &str| format!("{own}<!-- tour -->\n```sh\n{code}\n```\n");
    for (text, why) in [
        (tour("echo one\n# → two"), "and prints one"),
        (tour("echo one\nfalse"), "a page: "),
        (tour("echo one\nabsent"), "absent"),
        (own.replace("countersign", "absent"), "nothing answers"),
    ] {
        let said = complaint(&text).unwrap_or_else(|| panic!("not noticed: {text}"));
        assert!(said.contains(why), "{why}: {said}");
    }
    let good = tour("printf 'one\\ntwo\\n'\n# → one\n# → two\n(: </dev/tcp/127.0.0.1/5000)");
    assert_eq!(complaint(&good), None);
    let file = "<!-- file: a/b.txt -->\n```text\n5000 or 15000\n```\n";
    let shown = tour("grep -c ' or 15000' a/b.txt\n# → 1\ngrep -c '^5000 ' a/b.txt\n# → 1");
    assert_eq!(complaint(&format!("{file}{shown}")), None);
}
