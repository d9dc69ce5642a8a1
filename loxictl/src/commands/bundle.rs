//! `loxictl bundle`: everything that helps somebody else to help, and no secret.
//!
//! ```text
//!   gather    what loxid says, and what the box's tools print: each into a file
//!   redact    values of keys that name secrets go; what they were goes wherever else it stands
//!   archive   a tar.gz that only its owner may read
//! ```

use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use clap::Args;
use lb_api::wire::{List, Timestamp};
use lb_core::intent::Source;
use serde::Serialize;
use serde_json::Value;

use crate::commands::doctor;
use crate::failure::{Failure, Result};
use crate::output::Format;
use crate::session::Session;

mod archive;
mod redact;
#[cfg(test)]
mod tests;

use redact::Secrets;

/// Collect what helps somebody else to help, without secrets
#[derive(Args, Debug)]
#[command(after_help = "\
A tar.gz with status, documents, interfaces, services, backends, history, events, metrics, what
`loxictl doctor` finds, versions, and addresses, links, routes and neighbours of the box. Values
of keys that name secrets (secret, password, token, ...), contents of health checks' packets,
private keys and tokens are left out; connections of clients are not in it. Look into it before
you send it: addresses and names of your network are in it.

Examples:
  loxictl bundle
  loxictl bundle --file /tmp/loxid.tar.gz
  loxictl bundle --config /etc/loxid/other.yaml")]
pub struct Bundle {
    /// Where to write it; must not exist [default: loxid-TIME.tar.gz here]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// loxid's configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/loxid/loxid.yaml")]
    config: PathBuf,
}

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub text: String,
}

/// Everything that was gathered, and what could not be.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    missing: Vec<String>,
    secrets: Secrets,
}

impl Bundle {
    pub async fn run(self, session: &Session) -> Result<()> {
        let now = Timestamp::of(SystemTime::now());
        let path = self.file.clone().unwrap_or_else(|| {
            let time: String = now.to_second().replace(' ', "-").replace(':', "");
            format!("loxid-{time}.tar.gz").into()
        });
        let mut parts = Parts::default();
        parts.configuration(&self.config);
        parts.of_loxid(session).await;
        parts.of_box(session).await;
        let missing = parts.missing.clone();
        let finished = parts.finish(now);
        archive::write(&path, &finished, now)
            .map_err(|error| Failure::runtime(format!("writing {}: {error}", path.display())))?;
        for line in &missing {
            eprintln!("left out: {line}");
        }
        eprintln!(
            "{} files in {}: look into it before you send it",
            finished.len(),
            path.display()
        );
        match session.output.format {
            Format::Table | Format::Wide | Format::Name => {
                session.output.text(&format!("{}\n", path.display()))
            }
            Format::Json | Format::Yaml => {
                let names: Vec<&str> = finished.iter().map(|part| part.name.as_str()).collect();
                let path = path.display().to_string();
                let value = serde_json::json!({ "file": path, "parts": names, "leftOut": missing });
                session.output.value(&value)
            }
        }
    }
}

impl Parts {
    fn text(&mut self, name: &str, text: impl Into<String>) {
        self.parts.push(Part {
            name: name.to_owned(),
            text: text.into(),
        });
    }

    /// What loxid says, without values that name secrets.
    fn value<T: Serialize>(&mut self, name: &str, value: Result<T>) {
        let value = value.and_then(|value| {
            serde_json::to_value(value).map_err(|error| Failure::runtime(error.to_string()))
        });
        match value {
            Ok(mut value) => {
                self.secrets.take_from(&mut value);
                self.text(name, format!("{value:#}\n"));
            }
            Err(failure) => self.missing(name, &failure),
        }
    }

    fn missing(&mut self, name: &str, why: impl std::fmt::Display) {
        let why = why.to_string().replace('\n', "; ");
        self.missing.push(format!("{name}: {why}"));
    }

    /// As values only: what is commented out may be a secret, too.
    fn configuration(&mut self, path: &std::path::Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                return self.missing("configuration", format!("{}: {error}", path.display()));
            }
        };
        match lb_api::parse::yaml::<Value>(text.as_bytes()) {
            Ok(mut value) => {
                self.secrets.read_files_of(&value);
                self.secrets.take_from(&mut value);
                self.text("configuration.yaml", lb_api::parse::to_yaml(&value));
            }
            Err(_) => self.missing("configuration", "it is not valid, and may hold secrets"),
        }
    }

    async fn of_loxid(&mut self, session: &Session) {
        self.value("status.json", session.status().await);
        self.value("interfaces.json", session.interfaces().await);
        self.value("services.json", session.services().await);
        self.value("backends.json", session.backends().await);
        self.value("history.json", session.history(None).await);
        let events = session.events(&[]).await;
        self.value("events.json", events.map(|items| List { items }));
        match session.metrics().await {
            Ok(text) => self.text("metrics.txt", text),
            Err(failure) => self.missing("metrics.txt", &failure),
        }
        match session.documents().await {
            Err(failure) => self.missing("documents", &failure),
            Ok(documents) => {
                for status in documents {
                    if let Ok(source) = status.source.parse::<Source>() {
                        let name = format!("documents/{}.json", status.source.replace('/', "."));
                        let document = session.document(&source).await;
                        self.value(
                            &name,
                            document.map(|found| found.map(|(document, _)| document)),
                        );
                    }
                }
            }
        }
    }

    async fn of_box(&mut self, session: &Session) {
        match doctor::report(session).await {
            Ok(text) => self.text("doctor.txt", text),
            Err(failure) => self.missing("doctor.txt", &failure),
        }
        let version = env!("CARGO_PKG_VERSION");
        let mut versions = format!("loxictl {version}\n");
        for (program, arguments) in [
            ("uname", vec!["-a"]),
            ("ip", vec!["-V"]),
            ("ethtool", vec!["--version"]),
        ] {
            versions += &printed(program, &arguments).unwrap_or_else(|why| format!("{why}\n"));
        }
        versions += &std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        self.text("versions.txt", versions);
        for (name, arguments) in [
            ("link", vec!["-d", "link"]),
            ("address", vec!["address"]),
            ("route", vec!["route", "show", "table", "all"]),
            ("route6", vec!["-6", "route", "show", "table", "all"]),
            ("rule", vec!["rule"]),
            ("neighbour", vec!["neighbour"]),
        ] {
            let name = format!("box/ip-{name}.json");
            let arguments: Vec<&str> = ["-j"].into_iter().chain(arguments).collect();
            match printed("ip", &arguments) {
                Ok(text) => self.text(&name, text),
                Err(why) => self.missing(&name, why),
            }
        }
    }

    /// Whatever was found to be secret in one part goes from all.
    fn finish(mut self, now: Timestamp) -> Vec<Part> {
        let missing: String = self
            .missing
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        self.text("left-out.txt", missing);
        self.text(
            "README.txt",
            format!(
                "Collected by loxictl {} at {now}. Values that name secrets are replaced by {}.\n",
                env!("CARGO_PKG_VERSION"),
                redact::REMOVED
            ),
        );
        let secrets = &self.secrets;
        let clean = |part: Part| Part {
            text: secrets.scrub(&part.text),
            ..part
        };
        self.parts.into_iter().map(clean).collect()
    }
}

fn printed(program: &str, arguments: &[&str]) -> std::result::Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
