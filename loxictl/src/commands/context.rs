//! `loxictl context`: several appliances, by name.

use clap::{Args, Subcommand};
use lb_api::client::contexts::{Context as Appliance, Contexts};
use serde_json::json;

use crate::cli::Global;
use crate::contexts::{absolute, failure, path, unknown};
use crate::failure::{Failure, Kind, Result};
use crate::output::{Format, Output};
use crate::table::{Cell, Table, column};

/// Name appliances, and choose the one that is asked
#[derive(Args, Debug)]
#[command(after_help = "\
A context is a server with the files that it takes to ask it. They are kept in
~/.config/loxictl/contexts.yaml; secrets stay in files of their own.

Examples:
  loxictl context add edge1 --server https://edge1:8443 --token-file ~/edge1.token --ca-file ~/ca.pem
  loxictl context use edge1                  asked from now on ...
  loxictl --context edge2 status             ... unless another one is named
  loxictl context list")]
pub struct Context {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Add(Add),
    Use(Use),
    List(List),
    Remove(Remove),
}

/// Name an appliance: --server and the files that it takes
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  loxictl context add edge1 --server https://edge1:8443 --token-file ~/edge1.token
  loxictl context add here --server unix:///run/loxid/loxid.sock --replace")]
struct Add {
    /// What you call it
    #[arg(value_name = "NAME")]
    name: String,

    /// In the place of the one of that name
    #[arg(long)]
    replace: bool,
}

/// Choose the appliance that is asked from now on
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  loxictl context use edge1
  loxictl context use --none                 the box that loxictl runs on, again")]
struct Use {
    /// Its name, as `loxictl context list` has it
    #[arg(
        value_name = "NAME",
        required_unless_present = "none",
        conflicts_with = "none"
    )]
    name: Option<String>,

    /// None: this box's own socket
    #[arg(long)]
    none: bool,
}

/// List contexts
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  loxictl context list -o name")]
struct List {}

/// Forget a context. Its files stay
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  loxictl context remove edge1")]
struct Remove {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Context {
    pub fn run(self, global: &Global) -> Result<()> {
        let path = path()?;
        let mut contexts = Contexts::load(&path).map_err(failure)?;
        let said = match self.what {
            What::List(List {}) => return list(&contexts, global),
            What::Add(add) => add.run(&mut contexts, global)?,
            What::Use(Use { name: None, .. }) => {
                contexts.current = None;
                "this box's own socket is asked".to_owned()
            }
            What::Use(Use {
                name: Some(name), ..
            }) => {
                let context = contexts.contexts.get(&name);
                let context = context.ok_or_else(|| unknown(&name, &contexts))?;
                let said = format!("{name} is asked: {}", context.server);
                contexts.current = Some(name);
                said
            }
            What::Remove(Remove { name }) => {
                if contexts.contexts.remove(&name).is_none() {
                    return Err(unknown(&name, &contexts));
                }
                contexts.current.take_if(|current| *current == name);
                format!("{name} removed")
            }
        };
        contexts.save(&path).map_err(failure)?;
        eprintln!("{said}");
        Ok(())
    }
}

impl Add {
    fn run(self, contexts: &mut Contexts, global: &Global) -> Result<String> {
        let name = self.name;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if name.is_empty() || name.len() > 63 || !name.chars().all(is_plain) {
            return Err(Failure::usage(format!("`{name}` is no name for a context"))
                .remedy("use 1 to 63 letters, digits, -, . and _"));
        }
        let server = global.server.clone().ok_or_else(|| {
            Failure::usage("--server: it is not said where the appliance is")
                .remedy("--server https://HOST:PORT")
        })?;
        if contexts.contexts.contains_key(&name) && !self.replace {
            let message = format!("there is a context {name}");
            return Err(Failure::new(Kind::Conflict, message).remedy("--replace replaces it"));
        }
        let credentials = absolute(&global.credentials.files())?;
        let said = format!("{name} added: {server}");
        contexts.contexts.insert(
            name,
            Appliance {
                server,
                credentials,
            },
        );
        Ok(said)
    }
}

fn list(contexts: &Contexts, global: &Global) -> Result<()> {
    let output = Output::new(global.output, global.no_color);
    let is_current = |name: &String| contexts.current.as_ref() == Some(name);
    match output.format {
        Format::Name => {
            let names = contexts.contexts.keys().map(|name| format!("{name}\n"));
            output.text(&names.collect::<String>())
        }
        Format::Json | Format::Yaml => output.value(&json!({
            "current": contexts.current,
            "contexts": contexts.contexts,
        })),
        Format::Table | Format::Wide => {
            const COLUMNS: &[crate::table::Column] = &[
                column("CURRENT"),
                column("NAME"),
                column("SERVER"),
                column("TOKEN-FILE"),
                column("CA-FILE"),
            ];
            let row = |(name, context): (&String, &Appliance)| {
                let file = |file: &Option<std::path::PathBuf>| {
                    Cell::maybe(file.as_ref().map(|file| file.display()))
                };
                vec![
                    if is_current(name) { "*" } else { "" }.into(),
                    Cell::from(name),
                    Cell::from(&context.server),
                    file(&context.credentials.token_file),
                    file(&context.credentials.ca_file),
                ]
            };
            if contexts.contexts.is_empty() {
                eprintln!("no contexts: this box's own socket is asked");
                return Ok(());
            }
            let mut table = Table::new(COLUMNS, false, output.colour);
            output.text(&table.block(contexts.contexts.iter().map(row)))
        }
    }
}
