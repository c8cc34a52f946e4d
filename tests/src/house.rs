//! The pictures of the house in `CONTRIBUTING.md` are true: every crate uses the one before it, every
//! room of a crate is in its picture, and uses those on its own line and below it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The line of each room in the picture that begins with this name, counted from the top.
fn picture(contributing: &str, name: &str) -> BTreeMap<String, usize> {
    let (_, rest) = contributing
        .split_once(&format!("```text\n{name}\n"))
        .unwrap_or_else(|| panic!("there is no picture of {name}"));
    let (picture, _) = rest.split_once("```").unwrap();
    let lines = picture.lines().enumerate();
    let rooms = lines.flat_map(|(line, text)| {
        // Two spaces or more are before what the rooms are for.
        let (rooms, _) = text.trim().split_once("  ").unwrap_or((text.trim(), ""));
        rooms.split_whitespace().map(move |room| {
            let room = room.trim_end_matches('/').trim_end_matches(".rs");
            (room.to_string(), line)
        })
    });
    rooms.collect()
}

/// The files of a room: one file, or a folder.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let entries = fs::read_dir(path).unwrap();
    entries
        .flat_map(|entry| files(&entry.unwrap().path()))
        .filter(|file| file.extension() == Some(OsStr::new("rs")))
        .collect()
}

/// The first names behind `crate::`, outside of comments and of the tests at the end.
fn uses(source: &str) -> BTreeSet<String> {
    let code: String = source
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let name = |text: &str| -> String {
        let text = text.trim_start();
        let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        text[..end.unwrap_or(text.len())].to_string()
    };
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            used.insert(name(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for letter in list.chars() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    used.insert(name(&item));
                    item.clear();
                    continue;
                }
                _ => {}
            }
            item.push(letter);
        }
        used.insert(name(&item));
    }
    used
}

/// What is wrong with the picture of a crate.
fn faults(crate_name: &str) -> Vec<String> {
    let contributing = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let lines = picture(&contributing, crate_name);
    let source = root().join("crates").join(crate_name).join("src");
    let mut faults = Vec::new();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let room = path.file_stem().and_then(OsStr::to_str).unwrap();
        if room == "lib" {
            continue;
        }
        found.insert(room.to_string());
        let Some(line) = lines.get(room) else {
            faults.push(format!("`{room}` is not in the picture"));
            continue;
        };
        for file in files(&path) {
            let source = fs::read_to_string(&file).unwrap();
            let above = uses(&source)
                .into_iter()
                .filter(|used| lines.get(used).is_some_and(|used| used < line));
            faults.extend(
                above.map(|used| format!("{} uses `{used}`, which is above it", file.display())),
            );
        }
    }
    let missing = lines.keys().filter(|room| !found.contains(*room));
    faults.extend(missing.map(|room| format!("there is no `{room}`")));
    faults
}

/// The crates of ours that a crate uses, tests aside.
fn dependencies(crate_name: &str) -> Vec<String> {
    let path = root().join("crates").join(crate_name).join("Cargo.toml");
    let manifest = fs::read_to_string(path).unwrap();
    let (_, rest) = manifest.split_once("\n[dependencies]\n").unwrap();
    let lines = rest.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| Some(line.split_once(" = ")?.0));
    let ours = names.filter(|name| name.starts_with("burn-prune"));
    ours.map(String::from).collect()
}

#[test]
fn each_crate_uses_the_one_before_it_in_the_picture() {
    let contributing = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let mut lines = contributing.lines();
    let picture = lines.find(|line| line.contains("<─")).unwrap();
    let words = picture.split_whitespace();
    let crates: Vec<&str> = words
        .filter(|word| word.starts_with("burn-prune"))
        .collect();
    let folders = fs::read_dir(root().join("crates")).unwrap();
    assert_eq!(crates.len(), folders.count());
    assert_eq!(dependencies(crates[0]), Vec::<String>::new());
    for pair in crates.windows(2) {
        assert_eq!(dependencies(pair[1]), [pair[0]], "{}", pair[1]);
    }
}

#[test]
fn rooms_of_burn_prune_use_those_below_them() {
    assert_eq!(faults("burn-prune"), Vec::<String>::new());
}

#[test]
fn rooms_of_burn_prune_deploy_use_those_below_them() {
    assert_eq!(faults("burn-prune-deploy"), Vec::<String>::new());
}

#[test]
fn rooms_of_burn_prune_engine_use_those_below_them() {
    assert_eq!(faults("burn-prune-engine"), Vec::<String>::new());
}

#[test]
fn imports_are_found_in_lists_and_in_paths() {
    let source = "use crate::{a::{B, C}, d};\n// crate::e\nfn f() { crate::g::h() }\n\
                  #[cfg(test)]\nmod tests { use crate::i; }";
    assert_eq!(uses(source), ["a", "d", "g"].map(String::from).into());
    let picture = picture("```text\nx\n  a/ b.rs   both\n  c/\n```", "x");
    assert_eq!((picture["a"], picture["b"], picture["c"]), (0, 0, 1));
}
