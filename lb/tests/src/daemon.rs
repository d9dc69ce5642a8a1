//! A `loxid` of its own: instance, state, socket and pins. Dropping it removes all of them.

use std::fs::File;
use std::io::{Read, Write};
use std::mem::offset_of;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use anyhow::{Context, Result, ensure};
use lb_bpf::abi;
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::datapath::Datapath;
use crate::topology::Topology;
use crate::unique::Pins;
use crate::wait::{CAP, until, until_within};
use crate::workers;

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
    pub fn start(topology: &Topology, path: Datapath) -> Result<Self> {
        let names = topology.interfaces.iter();
        let interfaces: String = names.map(|name| path.interface(name, "")).collect();
        Self::with(topology, &format!("interfaces:\n{interfaces}"))
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
        let ready = until_within(CAP * 4, "loxid to be ready", || {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                return Ok(Some(Err(status)));
            }
            Ok((self.get("/readyz")?.0 == 200 && self.is_settled()?).then_some(Ok(())))
        });
        match ready.with_context(|| self.log())? {
            Ok(()) => Ok(()),
            Err(status) => anyhow::bail!("loxid ended: {status}\n{}", self.log()),
        }
    }

    /// Whether no interface waits for the worker.
    fn is_settled(&self) -> Result<bool> {
        let interfaces = self.interfaces()?;
        Ok(interfaces.iter().all(|one| one["pending"] != true))
    }

    /// # Errors
    /// There is no answer.
    pub fn interfaces(&self) -> Result<Vec<Value>> {
        let (_, interfaces) = self.get("/v1/interfaces")?;
        let all = interfaces
            .as_array()
            .or_else(|| interfaces["items"].as_array());
        Ok(all.context("no list of interfaces")?.clone())
    }

    /// # Errors
    /// There is none of this name.
    pub fn interface(&self, name: &str) -> Result<Value> {
        let all = self.interfaces()?;
        let one = all.into_iter().find(|one| one["name"] == name);
        one.with_context(|| format!("no interface {name}"))
    }

    /// Waits until an interface is forwarded by a path.
    ///
    /// # Errors
    /// That doesn't happen.
    pub fn forwarded_by(&self, name: &str, path: Datapath) -> Result<()> {
        until(&format!("{name} to be forwarded by {path}"), || {
            let one = self.interface(name)?;
            let is = one["path"] == path.to_string() && one["pending"] != true;
            let served = |socket: &Value| socket["state"] == "copy" || socket["sendOnly"] == true;
            let sockets = one["sockets"].as_array();
            let is_served = sockets.is_some_and(|all| all.iter().all(served));
            Ok((is && (path == Datapath::Xdp || is_served)).then_some(()))
        })
        .with_context(|| self.log())
    }

    /// Changes what forwards an interface, and waits until it is so.
    ///
    /// # Errors
    /// That doesn't happen.
    pub fn change_path(&self, name: &str, path: Datapath) -> Result<()> {
        self.loxictl(&format!("attach {name} --datapath {path}"))?;
        self.forwarded_by(name, path)
    }

    /// The worker that the daemon says runs.
    ///
    /// # Errors
    /// None does.
    pub fn worker(&self) -> Result<u32> {
        let (_, status) = self.get("/v1/status")?;
        let pid = status["worker"]["pid"].as_u64();
        Ok(u32::try_from(pid.context("no worker runs")?)?)
    }

    /// Packets dropped or passed for a reason.
    ///
    /// # Errors
    /// There is no answer.
    pub fn reason(&self, name: &str) -> Result<u64> {
        let (_, status) = self.get("/v1/status")?;
        let reasons = status["dataPlane"]["reasons"].as_array();
        let reasons = reasons.context("no reasons")?;
        let one = reasons.iter().find(|one| one["reason"] == name);
        Ok(one.and_then(|one| one["packets"].as_u64()).unwrap_or(0))
    }

    /// Frames received, and frames by what became of them, as the maps have it: of every CPU and
    /// thread of a worker.
    ///
    /// # Errors
    /// The map can't be read.
    pub fn counted(&self) -> Result<(u64, u64)> {
        let cpus = MapHandle::from_pinned_path(self.pin("cpus")?)?;
        let number = |row: &[u8], at: usize| -> u64 {
            let bytes = row.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u64::from_ne_bytes)
        };
        let reasons = offset_of!(abi::lb_cpu, reason);
        let (mut received, mut ended) = (0, 0);
        for key in cpus.keys() {
            let row = cpus.lookup(&key, MapFlags::ANY)?.context("no such row")?;
            received += number(&row, offset_of!(abi::lb_cpu, rx));
            let all =
                (0..abi::LB_MAX_REASONS as usize).map(|index| number(&row, reasons + index * 8));
            ended += all.sum::<u64>();
        }
        Ok((received, ended))
    }

    /// # Errors
    /// It isn't running.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().context("not running")?;
        Ok(kill(Pid::from_raw(i32::try_from(child.id())?), signal)?)
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

    pub fn instance(&self) -> &str {
        self.pins.instance()
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
        // They outlive the daemon, as they should.
        let _ = workers::end(self.pins.instance());
        if std::thread::panicking() {
            eprintln!("loxid logged:\n{}", self.log());
        }
    }
}
