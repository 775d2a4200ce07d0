//! The pages of the book hold together: each is in `docs/SUMMARY.md`, and each link leads to a page
//! of the book, to a heading on it, or to a file that `script/book` takes along.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::page::{Page, ROOT, chapters, links, resolve};

/// Every Markdown file below this directory, from the top of the repository.
fn markdown_below(directory: &str) -> Vec<String> {
    let mut found = vec![];
    for entry in fs::read_dir(Path::new(ROOT).join(directory)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{directory}/{}", entry.file_name().display());
        if entry.file_type().unwrap().is_dir() {
            found.extend(markdown_below(&path));
        } else if path.ends_with(".md") {
            found.push(path);
        }
    }
    found
}

/// What links to a heading say: as forges make it, and mdBook.
fn slug(heading: &str) -> String {
    let kept = |c: char| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c => c.is_alphanumeric().then(|| c.to_ascii_lowercase()),
    };
    heading.trim().chars().filter_map(kept).collect()
}

fn headings(page: &Page) -> BTreeSet<String> {
    let prose = page.prose();
    let mut seen = BTreeMap::new();
    prose
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let slug = slug(line.trim_start_matches('#'));
            let before: &mut usize = seen.entry(slug.clone()).or_default();
            *before += 1;
            if *before == 1 {
                slug
            } else {
                format!("{slug}-{}", *before - 1)
            }
        })
        .collect()
}

/// What is wrong with this link, if anything.
fn broken(pages: &BTreeMap<String, Page>, page: &str, link: &str) -> Option<String> {
    if ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| link.starts_with(scheme))
    {
        return None;
    }
    let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = if target.is_empty() {
        page.to_owned()
    } else {
        resolve(page, target).display().to_string()
    };
    let why = match pages.get(&path) {
        Some(page) if anchor.is_empty() || headings(page).contains(anchor) => return None,
        Some(_) => "has no such heading",
        None if path.ends_with(".md") => "is no page of the book",
        None if Path::new(ROOT).join(&path).is_file() => return None,
        None => "is no file",
    };
    Some(format!("{page}: {link} {why}"))
}

fn book() -> BTreeMap<String, Page> {
    chapters()
        .into_iter()
        .map(|path| (path.clone(), Page::read(&path)))
        .collect()
}

#[test]
fn every_page_is_in_the_summary_and_no_page_twice() {
    let listed = chapters();
    let once: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(
        listed.len(),
        once.len(),
        "a page stands twice in docs/SUMMARY.md"
    );
    let missing: Vec<_> = markdown_below("docs")
        .into_iter()
        .filter(|path| path != "docs/SUMMARY.md" && !once.contains(path))
        .collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

#[test]
fn every_link_leads_somewhere() {
    let pages = book();
    let mut links_seen = 0;
    let mut wrong = vec![];
    for (path, page) in &pages {
        for link in links(&page.prose()) {
            links_seen += 1;
            wrong.extend(broken(&pages, path, link));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(links_seen > 100, "{links_seen}");
    for link in ["nowhere.md", "#nowhere", "img/nowhere.svg", "img"] {
        assert!(
            broken(&pages, "docs/how-it-works.md", link).is_some(),
            "{link}"
        );
    }
}

/// Whoever does not see a picture is told what it shows, and so is a reader by night: pictures
/// stand on a card of their own.
#[test]
fn every_drawing_says_what_it_shows_and_knows_the_dark() {
    let pictures = fs::read_dir(Path::new(ROOT).join("docs/img")).unwrap();
    let drawings: Vec<_> = pictures
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "svg"))
        .collect();
    assert!(drawings.len() >= 3);
    for path in drawings {
        let text = fs::read_to_string(&path).unwrap();
        for part in [
            "role=\"img\"",
            "<title",
            "<desc",
            "prefers-color-scheme: dark",
            "class=\"card\"",
        ] {
            assert!(text.contains(part), "{}: {part}", path.display());
        }
        // A forge shows it without its surroundings: nothing may come from elsewhere.
        for part in ["href=", "@import", "url(http", "<script"] {
            assert!(!text.contains(part), "{}: {part}", path.display());
        }
    }
}

#[test]
fn headings_are_linked_to_as_everybody_makes_it() {
    assert_eq!(slug(" `401`, then: refresh "), "401-then-refresh");
}
