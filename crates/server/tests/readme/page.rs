//! A page of the documentation: its code blocks, and what the comment above each says of it.
//!
//! | comment above a block | what becomes of it |
//! | --- | --- |
//! | `<!-- tour -->` | run in the page's shell, in the page's order; `# → …` below commands is what they print |
//! | `<!-- tour: until 8000 answers -->` | run in a terminal of its own, which stays; another such block ends it |
//! | `<!-- file: app.py -->` | written there, when the session has come that far |
//! | `<!-- as in: examples/… -->` | each of its paragraphs stands in that file, which other tests run |
//! | `<!-- config -->` | a `countersign.toml` that is accepted |
//! | `<!-- not run: why -->` | shown only |

use std::fs;
use std::path::{Path, PathBuf};

/// The top of the repository.
pub(super) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Blocks that show a picture or an answer, languages that nobody runs, and TypeScript, all of which
/// `sdk/typescript/test/package.test.ts` type-checks.
const SHOWN: [&str; 6] = ["", "text", "json", "html", "ts", "tsx"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    Tour,
    Terminal {
        port: u16,
    },
    File(String),
    AsIn(String),
    Config,
    NotRun(String),
    /// A comment that is none of these, or no comment.
    Unmarked,
}

#[derive(Debug, Clone)]
pub(super) struct Block {
    /// The number of the line with the opening fence.
    pub(super) line: usize,
    pub(super) language: String,
    pub(super) mark: Mark,
    pub(super) code: String,
}

impl Block {
    /// Whether somebody must say what becomes of it.
    pub(super) fn needs_a_mark(&self) -> bool {
        !SHOWN.contains(&self.language.as_str())
    }
}

#[derive(Debug)]
pub(super) struct Page {
    /// Where it is, from the top of the repository.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) blocks: Vec<Block>,
}

impl Page {
    /// # Panics
    /// If there is none, or a code block does not begin at the margin or does not end.
    pub(super) fn read(path: &str) -> Self {
        let text = fs::read_to_string(Path::new(ROOT).join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        Self::of(path, text)
    }

    pub(super) fn of(path: &str, text: String) -> Self {
        Self {
            path: path.to_owned(),
            blocks: blocks(path, &text),
            text,
        }
    }

    /// The page without its code blocks, so that what looks like a link in them is none.
    pub(super) fn prose(&self) -> String {
        let mut code = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            let fence = line.starts_with("```");
            if !fence && !code {
                prose += line;
            }
            prose.push('\n');
            code ^= fence;
        }
        prose
    }
}

fn blocks(path: &str, text: &str) -> Vec<Block> {
    let mut blocks = vec![];
    let mut above = "";
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let mut code = String::new();
            loop {
                match lines.next() {
                    Some((_, "```")) => break,
                    Some((_, line)) => code += &format!("{line}\n"),
                    None => panic!("{path}:{}: a block without an end", at + 1),
                }
            }
            blocks.push(Block {
                line: at + 1,
                language: language.to_owned(),
                mark: mark(above),
                code,
            });
        }
        assert!(
            line.starts_with("```") || !line.trim_start().starts_with("```"),
            "{path}:{}: a code block begins at the margin",
            at + 1
        );
        above = line;
    }
    blocks
}

fn mark(comment: &str) -> Mark {
    let inner = comment
        .strip_prefix("<!-- ")
        .and_then(|rest| rest.strip_suffix(" -->"));
    let Some(inner) = inner else {
        return Mark::Unmarked;
    };
    let port = |rest: &str| rest.strip_suffix(" answers")?.parse().ok();
    match inner.split_once(": ") {
        None if inner == "tour" => Mark::Tour,
        None if inner == "config" => Mark::Config,
        Some(("tour", rest)) => rest
            .strip_prefix("until ")
            .and_then(port)
            .map_or(Mark::Unmarked, |port| Mark::Terminal { port }),
        Some(("file", name)) => Mark::File(name.to_owned()),
        Some(("as in", path)) => Mark::AsIn(path.to_owned()),
        Some(("not run", why)) => Mark::NotRun(why.to_owned()),
        _ => Mark::Unmarked,
    }
}

/// Every page of the book, in the order of `docs/SUMMARY.md`, from the top of the repository.
pub(super) fn chapters() -> Vec<String> {
    let summary = Page::read("docs/SUMMARY.md").prose();
    let links = links(&summary);
    assert!(links.len() > 20, "{links:?}");
    links
        .iter()
        .map(|target| resolve("docs/SUMMARY.md", target).display().to_string())
        .collect()
}

/// Where a relative link on this page leads, from the top of the repository.
pub(super) fn resolve(page: &str, target: &str) -> PathBuf {
    let mut path = Path::new(page).to_path_buf();
    path.pop();
    for part in target.split('/') {
        match part {
            ".." => assert!(path.pop(), "{page}: {target} leads out of the repository"),
            "." | "" => {}
            part => path.push(part),
        }
    }
    path
}

/// The targets of links and pictures: `](…)`, `src="…"`, `srcset="…"`.
pub(super) fn links(prose: &str) -> Vec<&str> {
    let ends = [
        ("](", ')'),
        ("src=\"", '"'),
        ("srcset=\"", '"'),
        ("href=\"", '"'),
    ];
    let found = |(begin, end): (&str, char)| {
        prose
            .split(begin)
            .skip(1)
            .filter_map(move |rest| Some(rest.split_once(end)?.0))
            .collect::<Vec<_>>()
    };
    ends.into_iter().flat_map(found).collect()
}

#[test]
fn marks_are_read_as_they_are_meant() {
    for (comment, expected) in [
        ("<!-- tour -->", Mark::Tour),
        (
            "<!-- tour: until 80 answers -->",
            Mark::Terminal { port: 80 },
        ),
        ("<!-- tour: until it answers -->", Mark::Unmarked),
        ("<!-- toor -->", Mark::Unmarked),
        ("", Mark::Unmarked),
        ("<!-- file: a.py -->", Mark::File("a.py".to_owned())),
        ("<!-- not run: slow -->", Mark::NotRun("slow".to_owned())),
        ("<!-- not run -->", Mark::Unmarked),
    ] {
        assert_eq!(mark(comment), expected, "{comment}");
    }
    assert_eq!(links("[a](b.md#c) <img src=\"d\">"), ["b.md#c", "d"]);
    assert_eq!(resolve("docs/a/b.md", "../../c.md"), Path::new("c.md"));
}
