//! The blocks of README.md that are marked `<!-- tour -->` are one shell session against a fresh
//! server, and what a line `# → …` shows is what its commands print; `…` stands for anything. The
//! block marked `<!-- verify.py -->` is a module that accepts our tokens and refuses others.

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use countersign_testkit::{Home, Server};
use serde_json::json;

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md"));
const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");
/// The address in the text, in whose place the tests put that of their server.
const ADDRESS: &str = "http://127.0.0.1:5000";

/// The code blocks of README.md below this mark.
fn blocks(mark: &str) -> Vec<String> {
    let mark = format!("<!-- {mark} -->\n");
    let code = |text: &str| {
        let (_, text) = text.strip_prefix("```")?.split_once('\n')?;
        text.split_once("\n```")
            .map(|(code, _)| format!("{code}\n"))
    };
    README
        .split(&mark)
        .skip(1)
        .map(|text| code(text).unwrap_or_else(|| panic!("no code below {mark}")))
        .collect()
}

/// Commands, and what they print according to the line below them.
fn steps(code: &str) -> Vec<(String, Option<&str>)> {
    let mut steps = vec![(String::new(), None)];
    for line in code.lines() {
        let (commands, shown) = steps.last_mut().unwrap();
        match line.strip_prefix("# → ") {
            Some(output) => {
                *shown = Some(output);
                steps.push((String::new(), None));
            }
            None => *commands += &format!("{line}\n"),
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

/// A tool that only these tests need. In CI it must be there.
fn tool<T>(what: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "{what} is missing");
        eprintln!("skipped: {what} is missing");
    }
    found
}

fn succeeds(program: &str, args: [&str; 2]) -> bool {
    let done = Command::new(program).args(args).output();
    done.is_ok_and(|output| output.status.success())
}

/// The first Python that has what verify.py imports; the system's has what its packages bring.
fn python_with_jwt() -> Option<&'static str> {
    let found = ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| succeeds(python, ["-c", "import jwt, cryptography"]));
    tool("PyJWT with cryptography", found)
}

/// Runs the whole tour in one shell; what each step prints goes to a file of its own.
fn run(server: &Server, steps: &[(String, Option<&str>)]) -> Output {
    let home = server.home().path();
    let bin = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{bin}:{}", env::var("PATH").unwrap());
    let mut script = "set -euo pipefail\n".to_owned();
    for (step, (commands, _)) in steps.iter().enumerate() {
        script += &format!("exec >step.{step}\n{commands}");
    }
    // Nothing comes from the machine: no curl settings, and nothing that configures the server.
    fs::write(home.join(".curlrc"), "silent\nshow-error\n").unwrap();
    let mut shell = Command::new("bash");
    let ours = [
        "SECRET_KEY",
        "SECRET_KEY_PREVIOUS",
        "JWT_SECRET_KEY",
        "DATABASE_URL",
    ];
    for (name, _) in env::vars()
        .filter(|(name, _)| name.starts_with("COUNTERSIGN_") || ours.contains(&name.as_str()))
    {
        shell.env_remove(name);
    }
    shell.args(["-c", &script.replace(ADDRESS, &server.url(""))]);
    shell.env("CURL_HOME", home);
    shell.current_dir(home).env("PATH", path).output().unwrap()
}

#[test]
fn the_tour_runs_as_it_is_printed() {
    let json = succeeds("bash", ["-c", "curl --help all | grep -q -- --json"]);
    if tool("curl 7.82", json.then_some(())).is_none() {
        return;
    }
    let code = blocks("tour").concat();
    let steps = steps(&code);
    let server = Server::start(PROGRAM);
    let done = run(&server, &steps);
    let mut compared = 0;
    for (step, (commands, shown)) in steps.iter().enumerate() {
        let Some(shown) = shown else { continue };
        let file = server.home().path().join(format!("step.{step}"));
        let printed = fs::read_to_string(file).unwrap_or_default();
        assert!(
            fits(printed.trim_end(), shown),
            "{commands}shows    {shown}\nand prints {printed}\n{}",
            String::from_utf8_lossy(&done.stderr)
        );
        compared += 1;
    }
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(compared >= 15, "only {compared} lines were compared");
}

#[tokio::test]
async fn the_module_that_verifies_accepts_our_tokens_only() {
    let Some(python) = python_with_jwt() else {
        return;
    };
    let [module] = &blocks("verify.py")[..] else {
        panic!("README.md has one verify.py")
    };
    let server = Home::new(PROGRAM).start();
    fs::write(
        server.home().path().join("verify.py"),
        module.replace(ADDRESS, &server.url("")),
    )
    .unwrap();
    let account = json!({ "username": "ada", "password": "plum-harbour-41" });
    let client = server.client();
    client.post("/register").json(&account).send().await;
    let login = client.post("/login").json(&account).send().await.json();
    let good = login["access_token"].as_str().unwrap();
    let check = |token: &str| {
        let program = "import sys, verify; print(verify.check(sys.argv[1])['username'])";
        Command::new(python)
            .args(["-c", program, token])
            .current_dir(server.home().path())
            .output()
            .unwrap()
    };
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("{good}")
    };
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.");
    let other = format!("{header}.{payload}.{}", "A".repeat(signature.len()));
    for bad in [
        unsigned.as_str(),
        &other,
        "",
        login["refresh_token"].as_str().unwrap(),
    ] {
        let refusal = check(bad);
        assert!(!refusal.status.success(), "{bad}");
        let error = String::from_utf8_lossy(&refusal.stderr);
        assert!(error.contains("jwt.exceptions."), "{bad}: {error}");
    }
    let accepted = check(good);
    let error = String::from_utf8_lossy(&accepted.stderr);
    assert_eq!(
        String::from_utf8_lossy(&accepted.stdout),
        "ada\n",
        "{error}"
    );
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
