//! Completions and manual pages, as a shell and `man` read them.

use std::process::Command;

use super::{answer, done, home, refused};

#[test]
fn bash_takes_the_completions() {
    let home = home();
    refused(&home.cli(&["completions", "cmd.exe"]), 2, &["bash", "zsh"]);
    for shell in ["bash", "zsh", "fish"] {
        let exit = home.cli(&["completions", shell]);
        assert!(done(&exit).contains("password-stdin"), "{shell}");
    }
    let script = home.cli(&["completions", "bash"]).stdout;
    let asks = "COMP_WORDS=(countersign user a) COMP_CWORD=2; _countersign countersign a user; \
                echo \"${COMPREPLY[@]}\"";
    let bash = Command::new("bash")
        .args(["-c", &format!("{script}\n{asks}")])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&bash.stdout).trim(),
        "add",
        "{bash:?}"
    );
}

#[test]
fn every_command_has_a_manual_page() {
    let home = home();
    refused(
        &home.cli(&["man", "/dev/null/pages"]),
        1,
        &["/dev/null/pages"],
    );
    let directory = home.data().with_file_name("man");
    let said = answer(&home, &["man", directory.to_str().unwrap()], "");
    let pages = said["pages"].as_array().unwrap();
    assert!(pages.len() > 25, "{said}");
    for name in [
        "countersign.1",
        "countersign-serve.1",
        "countersign-user-add.1",
    ] {
        let page = std::fs::read_to_string(directory.join(name)).unwrap();
        assert!(
            page.contains(".TH") && page.contains(".SH SYNOPSIS"),
            "{page}"
        );
    }
}
