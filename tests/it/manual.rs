/*! The help, the man page, the README's tables and the completions of three shells say the same. */

use std::collections::BTreeSet;

use crate::command::bare;

const README: &str = include_str!("../../README.md");
const MAN: &str = include_str!("../../src/share/man/man1/relevance-run.1");
const BASH: &str = include_str!("../../src/share/bash-completion/completions/relevance-run");
const ZSH: &str = include_str!("../../src/share/zsh/site-functions/_relevance-run");
const FISH: &str = include_str!("../../src/share/fish/vendor_completions.d/relevance-run.fish");

type Names = BTreeSet<String>;

fn help() -> String {
    let output = bare().arg("--help").run();
    String::from_utf8(output.stdout).unwrap()
}

/// The first cells of the table that follows a heading of the README.
fn first_cells(heading: &str) -> impl Iterator<Item = &'static str> {
    let (_, section) = README
        .split_once(&format!("\n## {heading}\n"))
        .expect(heading);
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with("| ---"))
        .skip(1);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').nth(1).unwrap().trim())
}

/// What is marked as code in the first cells of that table.
fn names_in_readme(heading: &str) -> Names {
    let spans = first_cells(heading).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    spans.map(str::to_owned).collect()
}

/// The items of the list in that section of the man page, without those of a list inside an item.
fn items_in_man(heading: &str) -> impl Iterator<Item = &'static str> {
    let (_, section) = MAN
        .split_once(&format!("\n.Sh {heading}\n"))
        .expect(heading);
    let (section, _) = section.split_once("\n.Sh ").unwrap_or((section, ""));
    let mut depth = 0;
    section.lines().filter_map(move |line| {
        depth += i32::from(line.starts_with(".Bl")) - i32::from(line.starts_with(".El"));
        line.strip_prefix(".It ").filter(|_| depth == 1)
    })
}

/// `-a, --agent ID`, for each option that the man page tells of.
fn options_in_man() -> Names {
    items_in_man("OPTIONS")
        .map(|item| {
            item.replace(" , ", ", ")
                .replace("Fl ", "-")
                .replace("Ar ", "")
        })
        .collect()
}

/// An option in the words of a completion: its names, and whether it takes a value.
fn option(names: &[&str], takes_value: bool) -> String {
    format!(
        "{}{}",
        names.join(", "),
        if takes_value { " VALUE" } else { "" }
    )
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
    // `  -a, --agent ID  what it is`: two spaces end the name. What is further in goes on with a line.
    let in_help: Names = help()
        .lines()
        .filter(|line| line.starts_with("  ") && line.find('-').is_some_and(|column| column <= 6))
        .filter(|line| line.trim_start().starts_with('-'))
        .map(|line| line.trim_start().split("  ").next().unwrap().to_owned())
        .collect();
    assert_eq!(in_help.len(), 16);
    assert_eq!(names_in_readme("Options"), in_help);
    assert_eq!(options_in_man(), in_help);
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
    // `'(-a --agent)'{-a+,--agent=}'[the agent]…`, or `'--check[start nothing]…`.
    let completed: Names = ZSH
        .lines()
        .filter_map(|line| {
            let line = line.strip_prefix("    '")?;
            let names = match line.split_once("'{") {
                Some((_, names)) => names.split('}').next()?,
                None => line
                    .split('[')
                    .next()
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
    let help = help();
    let (_, section) = help.split_once("\nEnvironment:\n").unwrap();
    let (section, _) = section.split_once("\n\n").unwrap();
    let in_help = section
        .split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
        .filter(|word| word.contains('_'))
        .map(str::to_owned);
    // The aliases are in the README and the man page alone.
    let aliases = [
        "RAI_API_KEY",
        "RELEVANCE_PROJECT_ID",
        "RAI_PROJECT",
        "RAI_REGION",
    ]
    .map(str::to_owned);
    let expected: Names = in_help.chain(aliases).collect();
    assert_eq!(names_in_readme("Environment"), expected);
    let in_man = items_in_man("ENVIRONMENT").flat_map(|item| item["Ev ".len()..].split(" , "));
    assert_eq!(in_man.map(str::to_owned).collect::<Names>(), expected);
}

#[test]
fn exit_codes() {
    let help = help();
    let (_, section) = help.split_once("\nExit codes").unwrap();
    let (section, _) = section.split_once("\n\n").unwrap();
    let in_help: Vec<&str> = section
        .lines()
        .skip(1)
        .flat_map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
        })
        .filter_map(|entry| entry.split(' ').next())
        .filter(|code| code.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    assert_eq!(in_help, first_cells("Exit codes").collect::<Vec<_>>());
    assert_eq!(in_help, items_in_man("EXIT STATUS").collect::<Vec<_>>());
}

/// The members of the JSON object, in their order.
#[test]
fn members_of_the_object() {
    let blocks = README
        .split("\n```json\n")
        .skip(1)
        .map(|block| block.split("\n```").next().unwrap());
    let object = blocks
        .into_iter()
        .find(|block| block.contains("\"exit_code\": "))
        .unwrap();
    // Every other part of what stands between quotes is a text, and before a colon a name.
    let parts: Vec<&str> = object.split('"').collect();
    let named = parts
        .windows(2)
        .skip(1)
        .step_by(2)
        .filter(|pair| pair[1].starts_with(':'));
    let in_man = items_in_man("OUTPUT").flat_map(|item| item["Cm ".len()..].split(" , "));
    assert_eq!(
        named.map(|pair| pair[0]).collect::<Vec<_>>(),
        in_man.collect::<Vec<_>>()
    );
}

#[test]
fn the_help_fits_a_terminal_and_ends_with_examples() {
    let help = help();
    assert!(help.lines().count() <= 50 && help.lines().all(|line| line.chars().count() <= 80));
    assert!(
        help.trim_end()
            .lines()
            .rev()
            .take(2)
            .all(|line| line.contains("relevance-run "))
    );
}
