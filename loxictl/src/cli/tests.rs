#![allow(clippy::unwrap_used)]

use clap::CommandFactory;

use super::*;

#[test]
fn the_words_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_says_what_it_does_and_shows_an_example() {
    let mut waiting = vec![Cli::command()];
    while let Some(command) = waiting.pop() {
        let name = command.get_name().to_owned();
        assert!(command.get_about().is_some(), "{name} says nothing");
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let is_group = command.get_subcommands().next().is_some() && name == "create";
        assert!(
            is_group || after.contains("Example"),
            "{name} has no example"
        );
        waiting.extend(command.get_subcommands().cloned());
    }
}

/// Every example of every help text is a command line that is understood.
#[test]
fn every_example_is_understood() {
    let mut examples = 0;
    let mut waiting = vec![Cli::command()];
    while let Some(command) = waiting.pop() {
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let lines = after
            .lines()
            .map(str::trim_start)
            .filter(|line| line.starts_with("loxictl "));
        for line in lines {
            let end = line
                .find("   ")
                .or(line.find(" | "))
                .or(line.find(" && "))
                .or(line.find(" > "));
            // Quotes are the shell's.
            let words = line[..end.unwrap_or(line.len())].replace('\'', "");
            let words: Vec<&str> = words
                .split_whitespace()
                .take_while(|word| !matches!(*word, ">" | "|" | "&&"))
                .collect();
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("`{line}` of {}: {error}", command.get_name());
            }
            examples += 1;
        }
        waiting.extend(command.get_subcommands().cloned());
    }
    assert!(examples > 30, "only {examples} examples were found");
}

#[test]
fn the_server_is_a_socket_or_a_url() {
    for (server, understood) in [
        ("unix:///run/loxid/loxid.sock", true),
        ("http://127.0.0.1:11111", true),
        ("http://[::1]:11111", true),
        ("/run/loxid/loxid.sock", true),
        ("127.0.0.1:11111", false),
        ("https://127.0.0.1:11111", true),
        ("https://me:hush@127.0.0.1:11111", false),
        ("", false),
    ] {
        let parsed = Cli::try_parse_from(["loxictl", "--server", server, "status"]);
        assert_eq!(parsed.is_ok(), understood, "`{server}`");
    }
}
