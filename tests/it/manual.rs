/*! The README's tables of options, variables and exit codes, and the help, say the same. */

use std::collections::BTreeSet;

use crate::command::bare;

const README: &str = include_str!("../../README.md");

fn help() -> String {
    let output = bare().arg("--help").run();
    String::from_utf8(output.stdout).unwrap()
}

/// The first cells of the table that follows a heading, without their code marks.
fn first_cells(heading: &str) -> Vec<&'static str> {
    let (_, section) = README.split_once(&format!("\n## {heading}\n")).expect(heading);
    let rows = section.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    rows.take_while(|line| line.starts_with('|')).map(|line| line.split('|').nth(1).unwrap().trim()).collect()
}

/// What is marked as code in the first cells of that table.
fn names(heading: &str) -> BTreeSet<String> {
    let cells = first_cells(heading).into_iter();
    let spans = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    spans.map(str::to_owned).collect()
}

#[test]
fn options() {
    let readme = names("Options");
    // `  -a, --agent ID   what it is`: two spaces end the name.
    let help: BTreeSet<String> = help()
        .lines()
        .filter(|line| line.starts_with("  -"))
        .map(|line| line.trim_start().split("  ").next().unwrap().to_owned())
        .collect();
    assert_eq!(help.len(), 16);
    assert_eq!(readme, help);
}

#[test]
fn variables() {
    let readme = names("Environment");
    let help = help();
    let (_, section) = help.split_once("\nEnvironment:\n").unwrap();
    let (section, _) = section.split_once("\n\n").unwrap();
    let in_help: BTreeSet<String> = section
        .split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
        .filter(|word| word.contains('_'))
        .map(str::to_owned)
        .collect();
    // The aliases are in the README alone.
    let aliases = ["RAI_API_KEY", "RELEVANCE_PROJECT_ID", "RAI_PROJECT", "RAI_REGION"].map(str::to_owned);
    let expected: BTreeSet<String> = in_help.into_iter().chain(aliases).collect();
    assert_eq!(readme, expected);
}

#[test]
fn exit_codes() {
    let readme: Vec<&str> = first_cells("Exit codes");
    let help = help();
    let (_, section) = help.split_once("\nExit codes").unwrap();
    let (section, _) = section.split_once("\n\n").unwrap();
    let in_help: Vec<&str> = section
        .lines()
        .skip(1)
        .flat_map(|line| line.split("  ").map(str::trim).filter(|entry| !entry.is_empty()))
        .filter_map(|entry| entry.split(' ').next())
        .filter(|code| code.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    assert_eq!(in_help, readme);
}

/// The version in the help of others: what the README tells to expect is what is printed.
#[test]
fn the_help_is_what_the_readme_says_it_is() {
    let help = help();
    assert!(help.lines().count() <= 50 && help.lines().all(|line| line.chars().count() <= 80));
    assert!(help.trim_end().lines().rev().take(2).all(|line| line.contains("relevance-run ")));
}
