//! Data on stdout, in the form that `-o` says.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::table::{Cell, Column, Table};

#[cfg(test)]
mod tests;

/// The values of `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people
    Table,
    /// More columns
    Wide,
    /// What the API says, as JSON
    Json,
    /// What the API says, as YAML
    Yaml,
    /// Only the keys, one per line
    Name,
}

/// Something that `get` lists.
pub trait Listed: Serialize {
    const COLUMNS: &'static [Column];

    /// A value for each of `COLUMNS`.
    fn cells(&self) -> Vec<Cell>;

    /// What identifies it, and what `-o name` prints.
    fn key(&self) -> String;
}

/// Where data goes.
pub struct Output {
    pub format: Format,
    /// Whether stdout is a person's terminal.
    pub terminal: bool,
    pub colour: bool,
    /// Some: what is printed waits here for `release`.
    held: RefCell<Option<String>>,
}

impl Output {
    /// Colour is for terminals whose owner did not refuse it (`--no-color`, `NO_COLOR`).
    pub fn new(format: Format, no_color: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let refused =
            no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            format,
            terminal,
            colour: terminal && !refused,
            held: RefCell::new(None),
        }
    }

    /// Prints text as it is.
    pub fn text(&self, text: &str) -> Result<()> {
        if let Some(held) = self.held.borrow_mut().as_mut() {
            held.push_str(text);
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// Keeps what is printed from now on, until `release`.
    pub fn hold(&self) {
        self.held.replace(Some(String::new()));
    }

    /// Prints what was kept, at once.
    pub fn release(&self) -> Result<()> {
        let held = self.held.take().unwrap_or_default();
        self.text(&held)
    }

    /// Prints one value of the wire as JSON, else as YAML.
    pub fn value(&self, value: &impl Serialize) -> Result<()> {
        self.text(&serialized(value, self.format)?)
    }

    /// Prints a list, whole.
    pub fn list<T: Listed>(&self, items: &[T]) -> Result<()> {
        let mut listing = self.listing::<T>();
        self.text(&listing.block(items)?)?;
        self.text(listing.end())
    }

    /// Prints a list that arrives in parts.
    pub fn listing<T: Listed>(&self) -> Listing {
        Listing {
            format: self.format,
            table: Table::new(T::COLUMNS, self.format == Format::Wide, self.colour),
            empty: true,
        }
    }
}

/// A list in parts: every `block`, then `end`.
pub struct Listing {
    format: Format,
    table: Table,
    empty: bool,
}

impl Listing {
    pub fn block<T: Listed>(&mut self, items: &[T]) -> Result<String> {
        let first = self.empty;
        self.empty &= items.is_empty();
        match self.format {
            Format::Table | Format::Wide if first && items.is_empty() => Ok(String::new()),
            Format::Table | Format::Wide => Ok(self.table.block(items.iter().map(Listed::cells))),
            Format::Name => Ok(items.iter().map(|item| item.key() + "\n").collect()),
            Format::Yaml if items.is_empty() => Ok(String::new()),
            Format::Yaml => serialized(&items, self.format),
            Format::Json => json_elements(items, first),
        }
    }

    pub fn end(&self) -> &'static str {
        match (self.format, self.empty) {
            (Format::Json, true) => "[]\n",
            (Format::Json, false) => "\n]\n",
            (Format::Yaml, true) => "[]\n",
            _ => "",
        }
    }
}

/// Elements of a JSON array, with what stands before each of them.
fn json_elements<T: Serialize>(items: &[T], first: bool) -> Result<String> {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        text += if first && index == 0 {
            "[\n  "
        } else {
            ",\n  "
        };
        text += &json(item)?.replace('\n', "\n  ");
    }
    Ok(text)
}

/// JSON if that is asked for, else YAML; ends with a line end.
pub fn serialized(value: &impl Serialize, format: Format) -> Result<String> {
    match format {
        Format::Json => Ok(json(value)? + "\n"),
        _ => Ok(yaml(value)),
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Failure::runtime(format!("writing JSON: {error}")))
}

/// YAML that ends with a line end.
pub fn yaml(value: &impl Serialize) -> String {
    lb_api::parse::to_yaml(value).trim_end().to_owned() + "\n"
}
