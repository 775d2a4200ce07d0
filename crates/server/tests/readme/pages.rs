//! Each page of the book that shows a session, run as it is printed; see `page.rs` for the marks.

use std::fs;
use std::path::Path;
use std::process::Command;

use countersign_testkit::Home;
use serde_json::json;

use super::page::{Mark, Page, ROOT, chapters};
use super::session::{PROGRAM, Session};
use super::tools;

/// What a page needs besides Countersign and curl.
#[derive(Debug, Clone, Copy)]
enum Needs {
    Nothing,
    Flask,
    Jose,
    FlaskAndCaddy,
    /// For what is done after the page alone.
    TwoNames,
}

/// Runs the page, then `after` in the same shell, and demands that so many outputs were compared.
fn runs(path: &str, needs: Needs, compared: usize, mut after: &str) {
    let page = Page::read(path);
    if tools::curl().is_none() {
        return;
    }
    let session = Session::new(&page);
    let mut first = vec![];
    let mut flask = || {
        let python = tools::python("countersign.flask, jwt, cryptography")?;
        first.extend(python.parent().map(Path::to_path_buf));
        Some(())
    };
    let ready = match needs {
        Needs::Nothing => Some(()),
        Needs::Flask => flask(),
        Needs::Jose => tools::node_modules(session.home.path()),
        Needs::FlaskAndCaddy => flask().and_then(|()| tools::caddy()),
        Needs::TwoNames => {
            if tools::caddy().and_then(|()| tools::chromium()).is_none() {
                after = "";
            }
            Some(())
        }
    };
    if ready.is_some() {
        let done = session.run(&page, &first, after);
        assert!(
            done >= compared,
            "{path}: only {done} outputs were compared"
        );
    }
}

/// The client of docs/browser.md, driven in Node and, where there is a Chromium, in that.
const DRIVE: &str = concat!(
    "cat >site/drive.mjs <<'END'\n",
    include_str!("drive.mjs"),
    r#"END
printf '{"type":"module"}' >site/package.json
printf '<!doctype html><body><script type="module" src="drive.mjs"></script>' >site/drive.html
node site/drive.mjs http://localhost:8080 >&2
chromium=$(command -v chromium || command -v google-chrome || true)
if [[ -n $chromium ]]; then
    root=(); ((EUID != 0)) || root=(--no-sandbox)
    "$chromium" --headless "${root[@]}" --disable-gpu --user-data-dir="$PWD/chromium" \
        --virtual-time-budget=20000 --dump-dom http://localhost:8080/drive.html >chromium.html
    grep -o '\(passed\|failed\).*' chromium.html >&2
    grep -q passed chromium.html
fi
"#
);

/// The login of docs/cors.md in Chromium, at two names of one site over https: then it is signed in.
/// From a name that is not listed the same script cannot read the answer.
const TWO_NAMES: &str = r#"
export HOME=$PWD/home XDG_DATA_HOME=$PWD/home XDG_CONFIG_HOME=$PWD/home
cat >Caddyfile <<'END'
{
	admin off
	auto_https disable_redirects
	skip_install_trust
	local_certs
	https_port 3000
}
https://login.example.com:3000 {
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:5000
}
https://app.example.com:3000, https://old-blog.example.com:3000 {
	bind 127.0.0.1
	root * app
	file_server
}
END
cat >app/page.js <<'END'
Object.assign(globalThis, { username: "ada", password: "plum-harbour-41" });
const signedIn = async () => {
  await import("./sign-in.js");
  const answer = await fetch("https://login.example.com/profile", { credentials: "include" });
  return `${answer.status} ${(await answer.json()).username}`;
};
document.body.textContent = await signedIn().catch((error) => `failed: ${error}`);
END
printf '<!doctype html><body><script type="module" src="page.js"></script>' >app/index.html
printf 'exec caddy run --config Caddyfile\n' >caddy.sh
terminal 3000 caddy.sh
root=(); ((EUID != 0)) || root=(--no-sandbox)
visits() {
    "$(command -v chromium || command -v google-chrome)" --headless "${root[@]}" --disable-gpu \
        --user-data-dir="$PWD/home/$1" --ignore-certificate-errors \
        --host-resolver-rules='MAP *.example.com:443 127.0.0.1:3000' \
        --virtual-time-budget=20000 --dump-dom "https://$1.example.com/" >"$1.html"
    cat "$1.html" >&2
}
visits app
grep -q '200 ada' app.html
visits old-blog
grep -q 'failed: TypeError: Failed to fetch' old-blog.html
"#;

macro_rules! pages {
    ($($name:ident: $path:literal, $needs:ident, $compared:literal $(, $after:expr)?;)+) => {
        /// What is run below.
        const RUN: &[&str] = &[$($path),+];
        $(
            #[test]
            fn $name() {
                let after = [$($after,)? ""][0];
                runs($path, Needs::$needs, $compared, after);
            }
        )+
    };
}

pages! {
    the_readme_runs_as_it_is_printed: "README.md", Nothing, 15;
    the_first_evening_runs: "docs/first-evening.md", Flask, 19;
    the_three_modes_do_as_they_say: "docs/modes.md", Nothing, 11;
    named_origins_are_allowed_and_others_refused: "docs/cors.md", TwoNames, 12, TWO_NAMES;
    a_service_in_python_honours_a_logout: "docs/protect-python.md", Flask, 4;
    a_service_on_jose_accepts_good_tokens_until_they_expire: "docs/protect-node.md", Jose, 7;
    a_page_with_plain_javascript_works: "docs/browser.md", FlaskAndCaddy, 8, DRIVE;
    a_flask_login_moves_in: "docs/from-flask.md", Flask, 14;
    a_subject_is_computed_as_shown: "docs/reference/revocations.md", Nothing, 1;
}

/// A page that shows a session and is not run would only look tested.
#[test]
fn every_page_with_a_session_is_run() {
    let with_a_session: Vec<_> = chapters()
        .into_iter()
        .filter(|path| path.ends_with(".md"))
        .filter(|path| {
            let tour = |mark: &Mark| matches!(mark, Mark::Tour | Mark::Terminal { .. });
            Page::read(path)
                .blocks
                .iter()
                .any(|block| tour(&block.mark))
        })
        .collect();
    assert_eq!(with_a_session, RUN);
}

/// Each block of code is run, stands in a file that is run, or says why not.
#[test]
fn no_block_of_code_is_left_unsaid() {
    // Their examples are made from the declarations of commands and keys, and tested there.
    let generated = [
        "docs/reference/command-line.md",
        "docs/reference/configuration.md",
    ];
    let mut unsaid = vec![];
    let mut said = 0;
    for path in chapters() {
        if generated.contains(&path.as_str()) {
            continue;
        }
        for block in Page::read(&path).blocks {
            said += usize::from(block.needs_a_mark());
            if block.needs_a_mark() && block.mark == Mark::Unmarked {
                unsaid.push(format!("{path}:{}: {}", block.line, block.language));
            }
        }
    }
    assert!(unsaid.is_empty(), "not run, and not said why: {unsaid:#?}");
    assert!(said > 40, "{said}");
}

#[test]
fn what_stands_in_a_file_stands_there_still() {
    let mut missing = vec![];
    for path in chapters() {
        for block in Page::read(&path).blocks {
            let Mark::AsIn(file) = &block.mark else {
                continue;
            };
            let source = fs::read_to_string(Path::new(ROOT).join(file))
                .unwrap_or_else(|error| panic!("{path}: {file}: {error}"));
            for paragraph in block.code.trim_end().split("\n\n") {
                if !source.contains(paragraph) {
                    missing.push(format!(
                        "{path}:{}: not in {file}:\n{paragraph}",
                        block.line
                    ));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Also what is not run: a fragment, or what a reader leaves behind.
#[test]
fn every_script_that_is_shown_is_one() {
    if tools::node().is_none() {
        return;
    }
    let home = Home::new(PROGRAM);
    let parses = |code: &str| {
        let file = home.path().join("shown.mjs");
        fs::write(&file, code).unwrap();
        Command::new("node")
            .arg("--check")
            .arg(file)
            .output()
            .unwrap()
    };
    assert!(!parses("await (;").status.success());
    let mut shown = 0;
    for path in chapters() {
        for block in Page::read(&path).blocks {
            if block.language == "js" {
                let parsed = parses(&block.code);
                let error = String::from_utf8_lossy(&parsed.stderr);
                assert!(parsed.status.success(), "{path}:{}: {error}", block.line);
                shown += 1;
            }
        }
    }
    assert!(shown > 5, "{shown}");
}

#[test]
fn every_configuration_that_is_shown_is_accepted() {
    let mut shown = 0;
    for path in chapters() {
        for block in Page::read(&path).blocks {
            if block.mark != Mark::Config {
                continue;
            }
            let home = Home::new(PROGRAM).file("countersign.toml", &block.code);
            let exit = home.cli(&["config"]);
            assert_eq!(exit.code, Some(0), "{path}:{}: {exit:#?}", block.line);
            shown += 1;
        }
    }
    assert!(shown > 0);
    let misspelt = Home::new(PROGRAM).file("countersign.toml", "[server]\nlisen = \"x\"");
    assert_eq!(misspelt.cli(&["config"]).code, Some(78));
}

#[tokio::test]
async fn the_module_that_verifies_accepts_our_tokens_only() {
    let Some(python) = tools::python("jwt, cryptography") else {
        return;
    };
    let page = Page::read("README.md");
    let verify = Mark::File("verify.py".to_owned());
    let module = page
        .blocks
        .iter()
        .find(|block| block.mark == verify)
        .unwrap();
    let session = Session::new(&page);
    let server = session.server.as_ref().unwrap();
    fs::write(
        session.home.path().join("verify.py"),
        session.here(&module.code),
    )
    .unwrap();
    let account = json!({ "username": "ada", "password": "plum-harbour-41" });
    let client = server.client();
    client.post("/register").json(&account).send().await;
    let login = client.post("/login").json(&account).send().await.json();
    let good = login["access_token"].as_str().unwrap();
    let check = |token: &str| {
        let program = "import sys, verify; print(verify.check(sys.argv[1])['username'])";
        Command::new(&python)
            .args(["-c", program, token])
            .current_dir(session.home.path())
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
