//! `loxictl token`: who may come from the network.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use lb_api::wire::{self, CreatedToken, NewToken, Token as Listing, parse_span};

use crate::failure::{Failure, Kind, Result};
use crate::output::{Format, Listed};
use crate::session::Session;
use crate::table::{Cell, Column, Tone, column};

#[cfg(test)]
mod tests;

/// Make, list or revoke tokens, which clients need that come from the network
#[derive(Args, Debug)]
#[command(after_help = "\
A token is what a client shows to a listener beyond loopback (api.listen in the configuration
file). Only its hash is kept: whoever loses it makes another one.

Examples:
  loxictl token create prometheus --role viewer --out /etc/prometheus/loxid.token
  loxictl token list
  loxictl token revoke prometheus
  loxictl --server https://edge1:8443 --token-file ~/edge1.token status")]
pub struct Token {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a token, and print it: nobody can see it again
#[derive(Args, Debug)]
#[command(after_help = "\
Roles: viewer looks; operator changes documents and the state of backends, too; admin
does everything.

Examples:
  loxictl token create ci --role operator --expires 30d --out ci.token
  loxictl token create me --role admin > me.token && chmod 600 me.token")]
struct Create {
    /// What it is called in lists and audit lines: a-z, 0-9, -, . and _
    #[arg(value_name = "NAME")]
    name: String,

    /// What it may do: viewer, operator or admin
    #[arg(long, value_enum, hide_possible_values = true)]
    role: Role,

    /// How long it lives: 90d, 12h, 30m or never
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = life)]
    expires: Life,

    /// A file that is made for it, for you alone; else it is printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// List tokens: who has one, and when it was used last
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  loxictl token list -o yaml")]
struct List {}

/// End a token: the next request that shows it is refused
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  loxictl token revoke ci")]
struct Revoke {
    /// Its name, as `loxictl token list` has it
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    Viewer,
    Operator,
    Admin,
}

/// Seconds; None: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life(Option<u64>);

impl Token {
    pub async fn run(self, session: &Session) -> Result<()> {
        match self.what {
            What::Create(create) => create.run(session).await,
            What::List(List {}) => session.output.list(&session.tokens().await?),
            What::Revoke(Revoke { name }) => {
                session.revoke_token(&name).await?;
                eprintln!("token {name} revoked");
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Result<()> {
        let asked = NewToken {
            name: self.name,
            role: match self.role {
                Role::Viewer => wire::Role::Viewer,
                Role::Operator => wire::Role::Operator,
                Role::Admin => wire::Role::Admin,
            },
            expires_in: self.expires.0,
        };
        // Before the token is made: one that can't be written down is of no use to anybody.
        let file = self.out.as_deref().map(new_file).transpose()?;
        let created = match session.create_token(&asked).await {
            Ok(created) => created,
            Err(failure) => {
                if let Some((path, _)) = &file {
                    let _ = std::fs::remove_file(path);
                }
                return Err(failure);
            }
        };
        tell(&created);
        match (file, session.output.format) {
            (Some((path, mut file)), _) => {
                writeln!(file, "{}", created.secret)
                    .map_err(|error| unwritten(&path, &error).remedy(revoke(&created)))?;
                eprintln!("it is in {}", path.display());
                Ok(())
            }
            (None, Format::Json | Format::Yaml) => session.output.value(&created),
            (None, _) => session.output.text(&format!("{}\n", created.secret)),
        }
    }
}

fn tell(created: &CreatedToken) {
    let token = &created.token;
    let role = wire_role(token.role);
    match token.expires {
        Some(expires) => eprintln!(
            "token {} made: {role}, expires {}",
            token.name,
            expires.to_second()
        ),
        None => eprintln!("token {} made: {role}, never expires", token.name),
    }
}

fn revoke(created: &CreatedToken) -> String {
    let name = &created.token.name;
    format!("the token is lost: `loxictl token revoke {name}`, and make it again")
}

fn new_file(path: &Path) -> Result<(PathBuf, std::fs::File)> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    match file {
        Ok(file) => Ok((path.to_owned(), file)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Failure::new(
            Kind::Conflict,
            format!("--out: {} is there already", path.display()),
        )
        .remedy("name another file, or remove that one")),
        Err(error) => Err(unwritten(path, &error).remedy("name a file that you may make")),
    }
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::runtime(format!(
        "--out: {} cannot be written: {error}",
        path.display()
    ))
}

fn life(text: &str) -> std::result::Result<Life, String> {
    if text == "never" {
        return Ok(Life(None));
    }
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u64>().ok());
    let seconds = match days {
        Some(days) => days.checked_mul(86_400),
        None => parse_span(text).map(|span| span.as_secs()),
    };
    let seconds = seconds.filter(|seconds| *seconds > 0);
    let rule = "write days, hours, minutes or seconds, such as 90d or 12h, or never";
    seconds
        .map(|seconds| Life(Some(seconds)))
        .ok_or_else(|| format!("`{text}` is no time: {rule}"))
}

fn wire_role(role: wire::Role) -> &'static str {
    lb_api::role::Role::from(role).as_str()
}

impl Listed for Listing {
    const COLUMNS: &'static [Column] = &[
        column("NAME"),
        column("ROLE"),
        column("CREATED"),
        column("EXPIRES"),
        column("LAST-USED"),
    ];

    fn cells(&self) -> Vec<Cell> {
        let expires = match self.expires {
            None => "never".into(),
            Some(at) if self.expired => {
                Cell::toned(format!("{} (expired)", at.to_second()), Tone::Bad)
            }
            Some(at) => at.to_second().into(),
        };
        vec![
            Cell::from(&self.name),
            wire_role(self.role).into(),
            self.created.to_second().into(),
            expires,
            Cell::maybe(self.last_used.map(|at| at.to_second())),
        ]
    }

    fn key(&self) -> String {
        self.name.clone()
    }
}
