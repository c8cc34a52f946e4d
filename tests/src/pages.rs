//! What the pages of the project promise about themselves: their links lead somewhere, the README
//! stays short, and the code of every page is compiled.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

const README_LINES: usize = 200;
const README_WORDS: usize = 1_800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Markdown file of the project, without what is hidden, built or downloaded.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().and_then(OsStr::to_str).unwrap();
            let is_foreign = folder == root() && ["out", "peers", "shared"].contains(&name);
            if is_foreign || name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(OsStr::new("md")) {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// The text outside of code blocks.
fn prose(text: &str) -> String {
    let mut in_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// The targets of `[text](target)`, `![text](target)` and `[name]: target`.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let inline = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_string());
    let references = prose
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: "))
        .map(|(_, target)| target.trim().to_string());
    inline.chain(references).collect()
}

/// The anchor that Markdown viewers give to a heading.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            ' ' => Some('-'),
            letter if letter.is_alphanumeric() || "-_".contains(letter) => Some(letter),
            _ => None,
        })
        .collect()
}

fn has_anchor(text: &str, wanted: &str) -> bool {
    prose(text)
        .lines()
        .filter(|line| line.starts_with('#'))
        .any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut checked = 0;
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (file, heading) = match link.split_once('#') {
                Some((file, heading)) => (file, Some(heading)),
                None => (link.as_str(), None),
            };
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let is_there = match heading {
                None => target.exists(),
                Some(heading) => {
                    fs::read_to_string(&target).is_ok_and(|text| has_anchor(&text, heading))
                }
            };
            if !is_there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(checked > 50, "only {checked} links were found");
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn the_readme_stays_short() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let lines = readme.lines().count();
    let words = readme.split_whitespace().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines");
    assert!(words <= README_WORDS, "README.md has {words} words");
}

#[test]
fn the_code_of_every_page_of_the_book_is_compiled() {
    let tested = include_str!("lib.rs");
    for page in fs::read_dir(root().join("docs")).unwrap() {
        let path = page.unwrap().path();
        if path.extension() != Some(OsStr::new("md")) {
            continue;
        }
        let name = path.file_name().and_then(OsStr::to_str).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let is_tested = tested.contains(&format!("../../docs/{name}\""));
        assert!(
            is_tested || !text.contains("```rust"),
            "{name} is no doctest"
        );
        for fence in ["```rust,", "```ignore", "```no_run"] {
            assert!(!text.contains(fence), "{name} has a block that is not run");
        }
    }
}

#[test]
fn links_in_code_do_not_count() {
    let text = "see [a](b.md#c), ![d](e.svg)\n```text\n[x](y)\n```\n[f]: g.md\n";
    assert_eq!(links(text), ["b.md#c", "e.svg", "g.md"]);
    assert_eq!(
        anchor("What drops a mask, and `how`"),
        "what-drops-a-mask-and-how"
    );
    assert!(has_anchor("# What it is\n", "what-it-is"));
}
