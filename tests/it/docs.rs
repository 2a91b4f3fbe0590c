/*! The help, the man page, the README's tables and the completions of three shells say the same. */

use std::collections::BTreeSet;
use std::path::Path;

use crate::command::{Folder, bare};

const README: &str = include_str!("../../README.md");
const MAN: &str = include_str!("../../src/share/man/man1/relevance-run.1");
const BASH: &str = include_str!("../../src/share/bash-completion/completions/relevance-run");
const ZSH: &str = include_str!("../../src/share/zsh/site-functions/_relevance-run");
const FISH: &str = include_str!("../../src/share/fish/vendor_completions.d/relevance-run.fish");
const CHANGELOG: &str = include_str!("../../src/share/doc/relevance-run/changelog");

/// The other names of a variable, which the help leaves to the README and the man page.
const ALIASES: [&str; 4] = [
    "RAI_API_KEY",
    "RELEVANCE_PROJECT",
    "RAI_PROJECT",
    "RAI_REGION",
];

type Names = BTreeSet<String>;

fn help() -> String {
    let output = bare().arg("--help").run();
    String::from_utf8(output.stdout).unwrap()
}

/// The part of the help that begins with this line, up to the next empty line.
fn section_of_help(heading: &str) -> Vec<String> {
    let help = help();
    let lines = help.lines().skip_while(|line| !line.starts_with(heading));
    let lines = lines.skip(1).take_while(|line| !line.is_empty());
    let section: Vec<String> = lines.map(str::to_owned).collect();
    assert!(!section.is_empty(), "no {heading} in the help");
    section
}

/// The text below a heading of the README, up to the next one.
fn section_of_readme(heading: &str) -> &'static str {
    let (_, section) = README
        .split_once(&format!("\n## {heading}\n"))
        .expect(heading);
    section.split("\n## ").next().unwrap()
}

/// The cells of each row of the first table in that section.
fn rows_of_readme(heading: &str) -> Vec<Vec<String>> {
    let lines = section_of_readme(heading).lines();
    let rows = lines.skip_while(|line| !line.starts_with("| ---")).skip(1);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            // `\|` is a bar inside a cell.
            let line = line.trim_matches('|').replace("\\|", "\0");
            line.split('|')
                .map(|cell| cell.trim().replace('\0', "|"))
                .collect()
        })
        .collect()
}

/// What is marked as code in a text.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What is marked as code in the first cells of that table.
fn names_in_readme(heading: &str) -> Names {
    rows_of_readme(heading)
        .iter()
        .flat_map(|row| code(&row[0]).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn section_of_man(heading: &str) -> &'static str {
    let (_, section) = MAN
        .split_once(&format!("\n.Sh {heading}\n"))
        .expect(heading);
    section.split("\n.Sh ").next().unwrap()
}

/// The items of the list in that section, without those of a list inside an item.
fn items_in_man(heading: &str) -> impl Iterator<Item = &'static str> {
    let mut depth = 0;
    section_of_man(heading).lines().filter_map(move |line| {
        depth += i32::from(line.starts_with(".Bl")) - i32::from(line.starts_with(".El"));
        line.strip_prefix(".It ").filter(|_| depth == 1)
    })
}

/// A line of the man page as it is read: `-a, --agent ID`.
fn rendered(line: &str) -> String {
    line.replace(" , ", ", ")
        .replace("Fl ", "-")
        .replace("Ar ", "")
}

fn options_in_man() -> Names {
    items_in_man("OPTIONS").map(rendered).collect()
}

/// An option in the words of a completion: its names, and whether it takes a value.
fn option(names: &[&str], takes_value: bool) -> String {
    let value = if takes_value { " VALUE" } else { "" };
    format!("{}{value}", names.join(", "))
}

/// The same for each option of the man page.
fn options_to_complete() -> Names {
    let with_value = |text: String| match text.rsplit_once(' ') {
        Some((names, value)) if !value.starts_with('-') => format!("{names} VALUE"),
        _ => text,
    };
    options_in_man().into_iter().map(with_value).collect()
}

#[test]
fn options() {
    // `  -a, --agent ID  what it is`: two spaces end the name. What is further in continues a line.
    let in_help: Names = help()
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with('-'))
        .map(|line| line.split("  ").next().unwrap().to_owned())
        .collect();
    assert_eq!(in_help.len(), 19);
    assert_eq!(names_in_readme("Options"), in_help);
    assert_eq!(options_in_man(), in_help);
}

#[test]
fn forms_of_the_command() {
    let help = help();
    let forms = help.lines().skip_while(|line| !line.starts_with("Usage:"));
    let forms = forms.take_while(|line| !line.is_empty());
    let in_help: Vec<String> = forms
        .map(|line| line.trim_start_matches("Usage:").trim().to_owned())
        .collect();
    let in_man: Vec<String> = section_of_man("SYNOPSIS")
        .split(".Nm")
        .skip(1)
        .map(|form| {
            let words = form.trim().lines().map(|line| {
                let optional = line.strip_prefix(".Op Ar ");
                optional.map_or_else(
                    || rendered(line.trim_start_matches('.')),
                    |name| format!("[{name}]"),
                )
            });
            format!("relevance-run {}", words.collect::<Vec<_>>().join(" "))
        })
        .collect();
    assert_eq!(in_man, in_help);
}

/// The program knows each of these options, and whether it takes a value.
#[test]
fn options_of_the_program() {
    for documented in options_to_complete() {
        let names = documented.trim_end_matches(" VALUE");
        for name in names.split(", ") {
            let output = bare().arg(name).run();
            output.never_says("unknown option");
            let needs_value = output.stderr.contains(" needs a value");
            assert_eq!(needs_value, documented.ends_with(" VALUE"), "{name}");
        }
    }
}

/// Every command that the documentation shows.
fn commands() -> Vec<String> {
    let in_readme = README.lines().filter_map(|line| line.strip_prefix("$ "));
    let literal = MAN.replace(" \\e\n", " ");
    let in_man = literal
        .lines()
        .filter(|line| line.starts_with(".Dl ") || !line.starts_with('.'))
        .map(|line| line.trim_start_matches(".Dl "));
    let help = help();
    let in_help = help
        .lines()
        .filter_map(|line| line.strip_prefix("Example: "));
    let all = in_readme.chain(in_man).chain(in_help);
    // What begins with the name and a colon is a message.
    let is_command =
        |line: &&str| line.contains("relevance-run ") && !line.starts_with("relevance-run: ");
    all.filter(is_command).map(str::to_owned).collect()
}

/// What the documentation shows is understood: all that is missing is the settings.
#[test]
fn commands_that_are_shown() {
    let folder = Folder::new();
    folder.file("contract.pdf", "x");
    let commands = commands();
    assert!(commands.len() >= 15, "{commands:?}");
    for command in commands {
        // What a command prints is an id, whoever reads it.
        let script = format!(
            "cd '{}'; git() {{ echo diff; }}; jq() {{ echo c1; }}; run=a/b; first=c1
            flock() {{ shift 3; eval \"$1\"; }}
            relevance_run() {{ \"$RUN\" \"$@\" 2>> said; echo a/b; }}
            {}",
            folder.0.display(),
            command.replace("relevance-run ", "relevance_run "),
        );
        bare().env("PATH", "/usr/bin:/bin").in_shell(&script).run();
        let said = std::fs::read_to_string(folder.0.join("said")).unwrap();
        std::fs::remove_file(folder.0.join("said")).unwrap();
        assert!(said.contains("RELEVANCE_AUTH_TOKEN"), "{command}: {said}");
    }
}

#[test]
fn options_in_fish() {
    let lines = FISH
        .lines()
        .filter(|line| line.starts_with("complete ") && line.contains(" -l "));
    let completed: Names = lines
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let after = |flag| {
                words
                    .iter()
                    .position(|word| *word == flag)
                    .map(|at| words[at + 1])
            };
            let short = after("-s").map(|name| format!("-{name}"));
            let long = format!("--{}", after("-l").unwrap());
            let names: Vec<&str> = short.iter().chain([&long]).map(String::as_str).collect();
            option(&names, words.contains(&"-x") || words.contains(&"-r"))
        })
        .collect();
    assert_eq!(completed, options_to_complete());
}

#[test]
fn options_in_zsh() {
    // `'(-a --agent)'{-a+,--agent=}'[agent]…`, or `'--check[start no run]…`; repeatable with a
    // star.
    let completed: Names = ZSH
        .lines()
        .filter_map(|line| {
            let line = line.strip_prefix("    '")?;
            let names = match line.split_once("'{") {
                Some((_, names)) => names.split('}').next()?,
                None => line
                    .split('[')
                    .next()
                    .map(|name| name.trim_start_matches('*'))
                    .filter(|name| name.starts_with("--"))?,
            };
            let bare: Vec<&str> = names
                .split(',')
                .map(|name| name.trim_end_matches(['+', '=']))
                .collect();
            Some(option(&bare, names.ends_with('=')))
        })
        .collect();
    assert_eq!(completed, options_to_complete());
}

#[test]
fn options_in_bash() {
    let options = options_to_complete();
    let (_, list) = BASH.split_once("options='").unwrap();
    let (list, _) = list.split_once('\'').unwrap();
    let completed: BTreeSet<&str> = list.split_whitespace().collect();
    let names = options
        .iter()
        .flat_map(|text| text.trim_end_matches(" VALUE").split(", "));
    assert_eq!(completed, names.collect());

    // `-t | --timeout) …`: what is completed after such an option is its value.
    let patterns = BASH.lines().filter_map(|line| line.trim().split_once(')'));
    let patterns = patterns.filter(|(names, _)| names.starts_with('-'));
    let with_value: BTreeSet<&str> = patterns.flat_map(|(names, _)| names.split(" | ")).collect();
    let names = options
        .iter()
        .filter_map(|text| text.strip_suffix(" VALUE"));
    assert_eq!(
        with_value,
        names.flat_map(|names| names.split(", ")).collect()
    );
}

#[test]
fn variables() {
    // An item of the help is upper case to its end, or to the two spaces before what it means.
    let section = section_of_help("Environment:");
    let items = section
        .iter()
        .filter_map(|line| line.trim_start().split("  ").next());
    let in_help = items
        .flat_map(|item| item.split(|c: char| !(c.is_ascii_uppercase() || c == '_')))
        .filter(|name| name.len() > 1);
    let names = in_help.chain(ALIASES).map(str::to_owned);
    let expected: Names = names.collect();
    assert_eq!(expected.len(), 17);
    assert_eq!(names_in_readme("Environment"), expected);
    let items = items_in_man("ENVIRONMENT VARIABLES");
    let in_man = items.flat_map(|item| item["Ev ".len()..].split(" , "));
    assert_eq!(in_man.map(str::to_owned).collect::<Names>(), expected);
}

#[test]
fn exit_codes() {
    let section = section_of_help("Exit codes");
    let entries = section.iter().flat_map(|line| line.trim().split("   "));
    let codes = entries.filter_map(|entry| entry.split_whitespace().next());
    let in_help: Vec<&str> = codes
        .filter(|code| code.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    assert_eq!(in_help, ["0", "1", "2", "3", "4", "5", "124", "128+n"]);
    let rows = rows_of_readme("Exit codes");
    let in_readme: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(in_readme, in_help);
    assert_eq!(items_in_man("EXIT STATUS").collect::<Vec<_>>(), in_help);
}

/// The members of the JSON object, in their order.
#[test]
fn members_of_the_object() {
    let (_, block) = README.split_once("\n```json\n").unwrap();
    let object = block.split("\n```").next().unwrap();
    // Every other part of what stands between quotes is a text, and before a colon a name.
    let parts: Vec<&str> = object.split('"').collect();
    let named = parts
        .windows(2)
        .skip(1)
        .step_by(2)
        .filter(|pair| pair[1].starts_with(':'));
    let in_readme: Vec<&str> = named.map(|pair| pair[0]).collect();
    let in_man = items_in_man("OUTPUT").flat_map(|item| item["Cm ".len()..].split(" , "));
    assert_eq!(in_readme, in_man.collect::<Vec<_>>());
    assert_eq!(in_readme.len(), 14);
}

/// The texts that `status` may be, in the order of the exit codes.
#[test]
fn values_of_the_status() {
    let section = section_of_readme("Output");
    let (_, sentence) = section.split_once("`status` follows").unwrap();
    let in_readme: Vec<&str> = code(sentence.split(". ").next().unwrap()).collect();
    let (_, item) = MAN.split_once("\n.It Cm status\n").unwrap();
    let lines = item.split("\n.It ").next().unwrap().lines();
    let in_man = lines.filter_map(|line| line.strip_prefix(".Ql "));
    assert_eq!(in_readme, in_man.collect::<Vec<_>>());
    assert_eq!(in_readme.len(), 8);
}

/// The README lists every recipe, and nothing else.
#[test]
fn recipes() {
    let mut listed = Names::new();
    for row in rows_of_readme("Recipes") {
        // `folder/first`, and then others of the same folder.
        let mut names = code(&row[2]);
        let first = names.next().unwrap();
        let (folder, _) = first.split_once('/').unwrap();
        listed.insert(first.to_owned());
        listed.extend(names.map(|name| format!("{folder}/{name}")));
    }
    let examples = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/share/doc/relevance-run/examples"
    );
    let in_folder = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    let files = in_folder(Path::new(examples));
    let files = files.iter().flat_map(|folder| in_folder(folder));
    let there = files.map(|path| path.strip_prefix(examples).unwrap().display().to_string());
    assert_eq!(listed, there.collect());
}

#[test]
fn the_changelog_begins_with_this_version() {
    let heading = concat!("relevance-run ", env!("CARGO_PKG_VERSION"));
    let first = CHANGELOG.lines().next().unwrap();
    assert!(first.starts_with(heading), "{first}");
}

#[test]
fn the_help_fits_a_terminal_and_ends_with_an_example() {
    let help = help();
    assert!(help.lines().count() <= 50 && help.lines().all(|line| line.chars().count() <= 80));
    let mut last = help.trim_end().lines().rev();
    assert_eq!(last.next(), Some("See man relevance-run for details."));
    assert!(
        last.next()
            .is_some_and(|line| line.starts_with("Example: "))
    );
}

#[test]
fn the_readme_is_short() {
    assert!(README.lines().count() <= 250);
}
