//! The manual pages in man/ and the completions in completions/ are what the command line says; LASTGOOD_BLESS=1 writes them anew.
#![allow(clippy::unwrap_used)]

use clap_complete::Shell;
use std::collections::BTreeMap;
use std::path::Path;

type Files = BTreeMap<String, Vec<u8>>;

/// A page for a command and one for each below it.
fn pages(command: &clap::Command, pages: &mut Files) {
    for below in command.get_subcommands() {
        self::pages(below, pages);
    }
    let man = clap_mangen::Man::new(command.clone())
        .manual("lastgood")
        .source(concat!("lastgood ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page).unwrap();
    }
    let more = command.get_after_long_help().or_else(|| command.get_after_help());
    page.extend(sections(&more.map(ToString::to_string).unwrap_or_default()).into_bytes());
    let other = if command.has_subcommands() { "lastgood\\-repository (5)" } else { "lastgood (1)" };
    page.extend(format!(".SH SEE ALSO\n.BR {other}\n").into_bytes());
    pages.insert(man.get_filename(), page);
}

/// The text after a help text: a line that is no more than a heading opens a section, and lines stay as they are.
fn sections(text: &str) -> String {
    let mut roff = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            Some(heading) => {
                let end = if roff.is_empty() { "" } else { ".fi\n" };
                roff.push_str(&format!("{end}.SH {}\n.nf\n", heading.to_uppercase()));
            }
            None => {
                let line = line.replace('\\', "\\e").replace('-', "\\-");
                roff.push_str(&format!("\\&{}\n", line.strip_prefix("  ").unwrap_or(&line)));
            }
        }
    }
    roff + ".fi\n"
}

fn manual() -> Files {
    let mut command = lastgood::cli::command().disable_help_subcommand(true);
    command.build();
    let mut files = Files::new();
    pages(&command, &mut files);
    files
}

fn completions() -> Files {
    let dir = tempfile::tempdir().unwrap();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
        clap_complete::generate_to(shell, &mut lastgood::cli::command(), "lastgood", dir.path()).unwrap();
    }
    read(dir.path(), |_| true)
}

fn read(dir: &Path, ours: fn(&str) -> bool) -> Files {
    let Ok(found) = std::fs::read_dir(dir) else { return Files::new() };
    let files = found.map(|file| file.unwrap().path()).map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    });
    files.filter(|(name, _)| ours(name)).collect()
}

fn compare(folder: &str, ours: fn(&str) -> bool, wanted: &Files) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if std::env::var_os("LASTGOOD_BLESS").is_some() {
        std::fs::create_dir_all(&dir).unwrap();
        for stale in read(&dir, ours).keys().filter(|name| !wanted.contains_key(*name)) {
            std::fs::remove_file(dir.join(stale)).unwrap();
        }
        for (name, content) in wanted {
            std::fs::write(dir.join(name), content).unwrap();
        }
    }
    let there = read(&dir, ours);
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&there),
        names(wanted),
        "{folder}/ has other files: run LASTGOOD_BLESS=1 cargo test --test manual"
    );
    for (name, content) in wanted {
        assert!(
            there[name] == *content,
            "{folder}/{name} is out of date: run LASTGOOD_BLESS=1 cargo test --test manual"
        );
    }
}

#[test]
fn manual_pages_are_up_to_date() {
    compare("man", |name| name.ends_with(".1"), &manual());
}

#[test]
fn completions_are_up_to_date() {
    compare("completions", |_| true, &completions());
}
