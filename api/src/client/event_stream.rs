//! Server-sent events, read as their bytes arrive (HTML standard, 9.2.6).

use std::ops::ControlFlow;

use hyper::body::Bytes;

use crate::parse;
use crate::wire::{Event, EventGap};

#[cfg(test)]
mod tests;

/// The longest line of one, bytes: what is longer is of no loxid.
const LINE_MAX: usize = 1 << 20;

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Event(Box<Event>),
    /// Events were missed.
    Gap(EventGap),
}

/// Turns bytes into events.
pub(super) struct EventStream<H> {
    hear: H,
    line: Vec<u8>,
    name: String,
    data: String,
    problem: Option<String>,
}

impl<H: FnMut(Heard) -> ControlFlow<()>> EventStream<H> {
    pub(super) fn new(hear: H) -> Self {
        Self {
            hear,
            line: Vec::new(),
            name: String::new(),
            data: String::new(),
            problem: None,
        }
    }

    /// What made no sense, if anything did.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    pub(super) fn push(&mut self, bytes: &Bytes) -> ControlFlow<()> {
        for byte in bytes {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    let line = String::from_utf8_lossy(&line);
                    self.take(line.strip_suffix('\r').unwrap_or(&line))?;
                }
                byte if self.line.len() < LINE_MAX => self.line.push(*byte),
                _ => return self.give_up("a line that does not end"),
            }
        }
        ControlFlow::Continue(())
    }

    fn take(&mut self, line: &str) -> ControlFlow<()> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "data" => self.data += value,
            // An empty field is a comment; ids are in the data.
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn dispatch(&mut self) -> ControlFlow<()> {
        let (name, data) = (
            std::mem::take(&mut self.name),
            std::mem::take(&mut self.data),
        );
        if data.is_empty() {
            return ControlFlow::Continue(());
        }
        let heard = match name.as_str() {
            "gap" => parse::json(data.as_bytes()).map(Heard::Gap),
            _ => parse::json(data.as_bytes()).map(Heard::Event),
        };
        match heard {
            Ok(heard) => (self.hear)(heard),
            Err(error) => self.give_up(&error.to_string()),
        }
    }

    fn give_up(&mut self, problem: &str) -> ControlFlow<()> {
        self.problem = Some(problem.to_owned());
        ControlFlow::Break(())
    }
}
