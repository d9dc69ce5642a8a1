//! A `loxid` of its own: instance, state, socket and pins. Dropping it removes all of them.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::topology::Topology;
use crate::unique::Pins;
use crate::wait::{CAP, until};

pub struct Daemon {
    child: Option<Child>,
    pins: Pins,
    directory: tempfile::TempDir,
    namespace: PathBuf,
}

/// A program of this workspace, as built beside the running test.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let target = test
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps/TEST");
    target.join(name)
}

impl Daemon {
    /// Attached to all interfaces of the balancer, and ready.
    ///
    /// # Errors
    /// It doesn't get ready: what it logged.
    pub fn start(topology: &Topology) -> Result<Self> {
        let names = topology
            .interfaces
            .iter()
            .map(|name| format!("  - name: {name}\n"));
        Self::with(
            topology,
            &format!("interfaces:\n{}", names.collect::<String>()),
        )
    }

    /// With these lines of configuration besides limits, and quick probes unless they say otherwise.
    ///
    /// # Errors
    /// It doesn't get ready: what it logged.
    pub fn with(topology: &Topology, configuration: &str) -> Result<Self> {
        let mut daemon = Daemon {
            child: None,
            pins: Pins::new("e2e"),
            directory: tempfile::tempdir()?,
            namespace: topology.balancer.path(),
        };
        daemon.configure(configuration)?;
        daemon.launch()?;
        Ok(daemon)
    }

    /// # Errors
    /// The file can't be written.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        let limits =
            "limits: {connections: 65536, slots: 1048576, backends: 1024, members: 4096}\n";
        let probe = match configuration.contains("announce:") {
            true => "",
            false => "announce: {probe: quick}\n",
        };
        Ok(std::fs::write(
            self.path("loxid.yaml"),
            format!("{limits}{probe}{configuration}"),
        )?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Of its configuration, state, socket and log.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.path("run/loxid.sock")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The command that runs it.
    pub fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.namespace.display()))
            .arg(binary("loxid"))
            .args(["--instance", self.pins.instance()])
            .arg("--config")
            .arg(self.path("loxid.yaml"))
            .arg("--state-dir")
            .arg(self.path("state"))
            .arg("--run-dir")
            .arg(self.path("run"));
        command
    }

    /// Starts it (again), and waits until it is ready.
    ///
    /// # Errors
    /// It doesn't get ready: what it logged.
    pub fn launch(&mut self) -> Result<()> {
        for name in ["state", "run"] {
            std::fs::create_dir_all(self.path(name))?;
        }
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.path("log"))?;
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.child = Some(command.spawn().context("start loxid")?);
        let ready = until("loxid to be ready", || {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                return Ok(Some(Err(status)));
            }
            Ok((self.get("/readyz")?.0 == 200).then_some(Ok(())))
        });
        match ready.with_context(|| self.log())? {
            Ok(()) => Ok(()),
            Err(status) => anyhow::bail!("loxid ended: {status}\n{}", self.log()),
        }
    }

    /// Ends it without giving it a chance.
    ///
    /// # Errors
    /// It isn't running.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks it to stop, and waits for it.
    ///
    /// # Errors
    /// It isn't running, or doesn't stop.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("not running")?;
        kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
        let status = until("loxid to stop", || Ok(child.try_wait()?));
        if status.is_err() {
            child.kill()?;
            child.wait()?;
        }
        status
    }

    /// `loxictl WORDS`, whatever comes of it.
    ///
    /// # Errors
    /// It can't be started.
    pub fn try_loxictl(&self, words: &str) -> Result<Output> {
        let server = format!("unix://{}", self.socket().display());
        let mut command = Command::new(binary("loxictl"));
        command
            .args(["--server", &server])
            .args(words.split_whitespace());
        command.output().context("run loxictl")
    }

    /// `loxictl WORDS`, and what it prints.
    ///
    /// # Errors
    /// It fails.
    pub fn loxictl(&self, words: &str) -> Result<String> {
        let output = self.try_loxictl(words)?;
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.success(),
            "loxictl {words}: {}: {talk}\n{}",
            output.status,
            self.log()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Status and body of a request over the socket.
    ///
    /// # Errors
    /// There is no answer.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Result<(u16, Value)> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(CAP))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: loxid\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let status = head
            .split_whitespace()
            .nth(1)
            .context("no HTTP status")?
            .parse()?;
        Ok((
            status,
            serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)),
        ))
    }

    /// # Errors
    /// There is no answer.
    pub fn get(&self, path: &str) -> Result<(u16, Value)> {
        self.request("GET", path, "")
    }

    /// `loxictl create lb WORDS`, and waits until packets are forwarded to every backend.
    ///
    /// # Errors
    /// It fails, or doesn't get programmed.
    pub fn create(&self, words: &str) -> Result<()> {
        self.loxictl(&format!("create lb {words}"))?;
        self.programmed()
    }

    /// Waits until every service is programmed, all its backends are in use, and nobody has to be
    /// asked for its VIP any more.
    ///
    /// # Errors
    /// That doesn't happen.
    pub fn programmed(&self) -> Result<()> {
        let done = || {
            let services = self.get("/v1/services")?.1;
            let services = services.as_array().or_else(|| services["items"].as_array());
            let done = services
                .context("no list of services")?
                .iter()
                .all(|service| {
                    let programmed = service["conditions"].as_array().is_some_and(|all| {
                        all.iter()
                            .any(|one| one["type"] == "Programmed" && one["status"] == "True")
                    });
                    let probing = service["conditions"].as_array().is_some_and(|all| {
                        all.iter()
                            .any(|one| one["type"] == "Announced" && one["reason"] == "Probing")
                    });
                    let backends = service["backends"].as_array();
                    let settled =
                        |backend: &Value| backend["state"] == "active" || backend["weight"] == 0;
                    programmed && !probing && backends.is_some_and(|all| all.iter().all(settled))
                });
            Ok(done.then_some(()))
        };
        until("all services to be programmed", done).with_context(|| {
            let services = self.get("/v1/services").map(|answer| answer.1.to_string());
            format!("{services:?}\n{}", self.log())
        })
    }

    /// The path of a pinned map.
    ///
    /// # Errors
    /// It isn't pinned.
    pub fn pin(&self, map: &str) -> Result<PathBuf> {
        for entry in std::fs::read_dir(self.pins.directory())? {
            let path = entry?.path().join(map);
            if path.exists() {
                return Ok(path);
            }
        }
        anyhow::bail!(
            "{map} is not pinned below {}",
            self.pins.directory().display()
        )
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for words in ["status", "get lb -o wide", "get ep -o wide"] {
                eprintln!("{}", self.loxictl(words).unwrap_or_default());
            }
        }
        if self.child.is_some() {
            let _ = self.kill();
        }
        if std::thread::panicking() {
            eprintln!("loxid logged:\n{}", self.log());
        }
    }
}
