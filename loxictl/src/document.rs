//! Documents in files: one file, a directory of them, or standard input, read as one document.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use lb_api::wire::{Document, Protocol, Service};

use crate::failure::{Failure, Result};

#[cfg(test)]
mod tests;

/// The largest file that is read, as the server has it for a document.
const FILE_MAX: u64 = 64 << 20;

/// Which documents a command reads.
#[derive(Args, Clone, Debug)]
pub struct Files {
    /// A file, a directory (its *.yaml, *.yml and *.json), or - for standard input; can be
    /// repeated, all become one document
    #[arg(short, long = "file", value_name = "FILE|DIR|-", required = true)]
    pub files: Vec<PathBuf>,
}

impl Files {
    /// Everything as one document. No service may be in it twice.
    pub fn read(&self) -> Result<Document> {
        let mut merged = Merged::default();
        for path in &self.files {
            for file in expand(path)? {
                let name = display(&file);
                merged.add(&name, parse(&name, &file, &content(&name, &file)?)?)?;
            }
        }
        Ok(merged.document)
    }
}

/// A document that grows by files, and where its parts are from.
#[derive(Default)]
struct Merged {
    document: Document,
    keys: BTreeMap<String, String>,
    /// By family: an IPv4 and an IPv6 service may share one.
    names: BTreeMap<(bool, String), String>,
}

impl Merged {
    fn add(&mut self, file: &str, document: Document) -> Result<()> {
        for service in document.services {
            let key = key(&service);
            if let Some(other) = self.keys.insert(key.clone(), file.to_owned()) {
                return Err(twice(&format!("service {key}"), &other, file));
            }
            let name = service.name.as_ref();
            let is_ipv6 = service.vip.contains(':');
            let other =
                name.and_then(|name| self.names.insert((is_ipv6, name.clone()), file.to_owned()));
            if let (Some(name), Some(other)) = (name, other) {
                return Err(twice(&format!("a service named `{name}`"), &other, file));
            }
            self.document.services.push(service);
        }
        Ok(())
    }
}

fn twice(what: &str, first: &str, second: &str) -> Failure {
    Failure::usage(format!(
        "{what} is in {first} and in {second}: a document has it once"
    ))
    .remedy(
        "remove it from one of the files; -f takes several files and merges them into one document",
    )
}

/// The key of a service, `20.20.20.1:2020/tcp`: where an address has several spellings, one.
pub fn key(service: &Service) -> String {
    let ports = match (service.protocol, service.port, service.port_max) {
        (Protocol::Icmp, _, _) => String::new(),
        (_, None | Some(0), _) => ":*".to_owned(),
        (_, Some(first), Some(last)) if first != last => format!(":{first}-{last}"),
        (_, Some(port), _) => format!(":{port}"),
    };
    let protocol = service.protocol.as_str();
    match service.vip.parse() {
        Ok(IpAddr::V6(vip)) if ports.is_empty() => format!("{vip}/{protocol}"),
        Ok(IpAddr::V6(vip)) => format!("[{vip}]{ports}/{protocol}"),
        _ => format!("{}{ports}/{protocol}", service.vip),
    }
}

/// A directory's documents in the order of their names; anything else is itself.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |error| Failure::usage(format!("{}: {error}", path.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let hidden = file
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && !file.is_dir() && (is(&file, &["yaml", "yml", "json"])) {
            files.push(file);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(Failure::usage(format!("{}: no *.yaml, *.yml or *.json in this directory", path.display()))
            .remedy("a directory without documents is not taken for an empty document; to remove services say `loxictl delete`")),
        false => Ok(files),
    }
}

fn content(name: &str, file: &Path) -> Result<String> {
    let failed = |error| Failure::usage(format!("{name}: {error}"));
    let mut text = String::new();
    let read = match is_stdin(file) {
        true => std::io::stdin()
            .lock()
            .take(FILE_MAX + 1)
            .read_to_string(&mut text),
        false => {
            let file = std::fs::File::open(file).map_err(failed)?;
            file.take(FILE_MAX + 1).read_to_string(&mut text)
        }
    };
    if read.map_err(failed)? as u64 > FILE_MAX {
        return Err(Failure::usage(format!(
            "{name}: a document has at most {} MiB",
            FILE_MAX >> 20
        )));
    }
    Ok(text)
}

/// Parses and validates one file, so that an error names the file and the field in it.
fn parse(name: &str, file: &Path, text: &str) -> Result<Document> {
    let parsed = match is(file, &["json"]) {
        true => lb_api::parse::json::<Document>(text.as_bytes()),
        false => lb_api::parse::yaml::<Document>(text.as_bytes()),
    };
    let document = parsed.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    validate(&document).map_err(|error| Failure::usage(prefixed(name, &error)))?;
    Ok(document)
}

/// Every rule that holds without knowing the box.
pub fn validate(document: &Document) -> std::result::Result<(), String> {
    lb_core::intent::Document::try_from(document)
        .map(drop)
        .map_err(|invalid| invalid.to_string())
}

fn prefixed(name: &str, lines: &str) -> String {
    lines
        .lines()
        .map(|line| format!("{name}: {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is(file: &Path, extensions: &[&str]) -> bool {
    file.extension()
        .is_some_and(|extension| extensions.iter().any(|one| extension == *one))
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn display(file: &Path) -> String {
    match is_stdin(file) {
        true => "standard input".into(),
        false => file.display().to_string(),
    }
}
