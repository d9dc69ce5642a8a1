//! Network namespaces, and what is done inside of them.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, setns};

use crate::unique;

/// A network namespace with its loopback up.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// # Errors
    /// `ip netns add` fails.
    pub fn new(role: &str) -> Result<Self> {
        let namespace = Namespace {
            name: unique::name(role),
        };
        run(Command::new("ip").args(["netns", "add", &namespace.name]))?;
        namespace.ip("link set lo up")?;
        // What IPv6 says by itself would be counted beside what a test sends.
        for scope in ["all", "default"] {
            namespace.sysctl(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "1")?;
        }
        Ok(namespace)
    }

    /// Sets a variable of the kernel inside.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        let path = PathBuf::from("/proc/sys").join(name);
        let value = value.to_owned();
        self.within(move || {
            std::fs::write(&path, value).with_context(|| path.display().to_string())
        })
    }

    /// Lets it speak IPv6, with addresses that are its own at once.
    ///
    /// # Errors
    /// It can't.
    pub fn enable_ipv6(&self) -> Result<()> {
        for (name, value) in [
            ("accept_dad", "0"),
            ("dad_transmits", "0"),
            ("disable_ipv6", "0"),
        ] {
            for scope in ["all", "default"] {
                self.sysctl(&format!("net/ipv6/conf/{scope}/{name}"), value)?;
            }
        }
        Ok(())
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// `ip WORDS` inside; `ip -n` would need a root directory that is a mount.
    ///
    /// # Errors
    /// What it says.
    pub fn ip(&self, words: &str) -> Result<String> {
        let output = run(self.command("ip").args(words.split_whitespace()))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A command inside; unlike in `ip netns exec`, bpffs stays where it is.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.path().display()))
            .arg(program);
        command
    }

    /// Moves the calling thread into it.
    ///
    /// # Errors
    /// The namespace is gone, or the caller isn't root.
    pub fn enter(&self) -> Result<()> {
        let file = File::open(self.path()).with_context(|| self.name.clone())?;
        setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter {}", self.name))
    }

    /// A thread inside.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        let path = self.path();
        std::thread::spawn(move || {
            setns(File::open(path)?, CloneFlags::CLONE_NEWNET).context("enter the namespace")?;
            work()
        })
    }

    /// Does something inside, and waits for it.
    ///
    /// # Errors
    /// Of the work.
    ///
    /// # Panics
    /// If the work does.
    pub fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.spawn(work)
            .join()
            .expect("work within a namespace does not panic")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .output();
    }
}

/// Runs a command that must succeed.
///
/// # Errors
/// What it printed.
pub fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = || String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        text()
    );
    Ok(output)
}

/// # Errors
/// There is no such interface.
pub fn mac(namespace: &Namespace, interface: &str) -> Result<String> {
    let text = namespace.ip(&format!("link show {interface}"))?;
    let mut words = text
        .split_whitespace()
        .skip_while(|word| *word != "link/ether");
    let mac = words
        .nth(1)
        .ok_or_else(|| io::Error::other("no link/ether"))?;
    Ok(mac.to_owned())
}
