//! Health checks: what it costs loxid to ask many backends, and how late it asks.
//!
//! ```text
//!   loxid in a namespace --- veth --- a namespace in which every address of 31.0.0.0/16 answers
//! ```
//! The daemon runs as it is; its share of a core is the kernel's account of its process, lateness
//! its own histogram. Servers are threads of the benchmark.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use nix::sched::{CloneFlags, setns};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const SERVERS: usize = 2;

#[derive(Args)]
pub struct Options {
    /// The daemon.
    #[arg(long, default_value = "target/release/loxid")]
    loxid: PathBuf,
    /// Backends that are asked.
    #[arg(long, default_value_t = 2000)]
    backends: u32,
    #[arg(long, default_value_t = 1000)]
    interval_ms: u32,
    /// tcp or http.
    #[arg(long, default_value = "http")]
    kind: String,
    /// How long is measured, after ten seconds.
    #[arg(long, default_value_t = 30)]
    measured_seconds: u64,
}

/// Two namespaces, the daemon, its directory: gone with it.
struct Site {
    names: [String; 2],
    directory: PathBuf,
    loxid: Option<Child>,
}

/// What the daemon counted, and the CPU time it took.
struct Figures {
    cpu: Duration,
    at: Instant,
    asked: f64,
    failed: f64,
    /// Upper bounds in seconds, and how many were at most so late.
    lateness: Vec<(f64, f64)>,
}

pub fn run(options: &Options) -> Result<()> {
    let mut site = Site::new()?;
    site.connect()?;
    site.serve()?;
    site.launch(&options.loxid)?;
    site.put(options)?;
    thread::sleep(Duration::from_secs(10));
    let before = site.figures()?;
    thread::sleep(Duration::from_secs(options.measured_seconds));
    let after = site.figures()?;
    report(options, &before, &after);
    Ok(())
}

fn report(options: &Options, before: &Figures, after: &Figures) {
    let wall = (after.at - before.at).as_secs_f64();
    let share = (after.cpu - before.cpu).as_secs_f64() / wall;
    let late: Vec<(f64, f64)> = after
        .lateness
        .iter()
        .zip(&before.lateness)
        .map(|((bound, after), (_, before))| (*bound, after - before))
        .collect();
    let all = late.last().map_or(0.0, |(_, count)| *count);
    let quantile = |part: f64| {
        let found = late.iter().find(|(_, count)| *count >= all * part);
        found.map_or(f64::INFINITY, |(bound, _)| *bound * 1000.0)
    };
    println!(
        "{} {} checks every {} ms: {:.0} a second ({:.0} failed), {:.1} % of a core, late p50 <= {} ms, p99 <= {} ms, p99.9 <= {} ms",
        options.backends,
        options.kind,
        options.interval_ms,
        (after.asked - before.asked) / wall,
        (after.failed - before.failed) / wall,
        share * 100.0,
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
    );
}

impl Site {
    fn new() -> Result<Self> {
        let id = std::process::id();
        let directory = std::env::temp_dir().join(format!("lb-health-{id}"));
        for name in ["run", "state"] {
            fs::create_dir_all(directory.join(name))?;
        }
        Ok(Site {
            names: [format!("lbh-a-{id}"), format!("lbh-b-{id}")],
            directory,
            loxid: None,
        })
    }

    fn connect(&self) -> Result<()> {
        let [box_, backends] = &self.names;
        for name in &self.names {
            ip(&format!("netns add {name}"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        ip(&format!(
            "-n {box_} link add back type veth peer name eth0 netns {backends}"
        ))?;
        ip(&format!("-n {box_} address add 10.9.0.1/24 dev back"))?;
        ip(&format!("-n {backends} address add 10.9.0.2/24 dev eth0"))?;
        ip(&format!("-n {box_} link set back up"))?;
        ip(&format!("-n {backends} link set eth0 up"))?;
        ip(&format!("-n {box_} route add 31.0.0.0/16 via 10.9.0.2"))?;
        ip(&format!("-n {backends} route add local 31.0.0.0/16 dev lo"))
    }

    /// Threads that answer for all addresses, until the program ends.
    fn serve(&self) -> Result<()> {
        let file = fs::File::open(format!("/run/netns/{}", self.names[1]))?;
        let bind = move || -> Result<TcpListener> {
            setns(file, CloneFlags::CLONE_NEWNET)?;
            Ok(TcpListener::bind("0.0.0.0:8080")?)
        };
        let listener = thread::spawn(bind)
            .join()
            .map_err(|_| anyhow::anyhow!("binding panicked"))??;
        for _ in 0..SERVERS {
            let listener = listener.try_clone()?;
            thread::spawn(move || {
                let mut request = [0; 1024];
                for mut stream in listener.incoming().flatten() {
                    // Whoever only connects is gone before it is read.
                    if stream.read(&mut request).is_ok_and(|length| length > 0) {
                        let _ = stream.write_all(ANSWER);
                    }
                }
            });
        }
        Ok(())
    }

    fn launch(&mut self, loxid: &Path) -> Result<()> {
        let limits =
            "limits: {connections: 65536, slots: 1048576, backends: 8192, members: 16384}\n";
        let config = self.directory.join("loxid.yaml");
        fs::write(
            &config,
            format!("{limits}api: {{tcp: {{address: none}}}}\n"),
        )?;
        let log = fs::File::create(self.directory.join("log"))?;
        let child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.names[0]))
            .arg(loxid)
            .args(["--instance", &format!("health{}", std::process::id())])
            .arg("--config")
            .arg(config)
            .arg("--state-dir")
            .arg(self.directory.join("state"))
            .arg("--run-dir")
            .arg(self.directory.join("run"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start loxid")?;
        self.loxid = Some(child);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if self.ask("GET", "/readyz", "").is_ok_and(|answer| {
                answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200")
            }) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        bail!("loxid does not get ready:\n{log}")
    }

    fn put(&self, options: &Options) -> Result<()> {
        let backends: Vec<String> = (0..options.backends)
            .map(|number| {
                format!(
                    r#"{{"address":"31.0.{}.{}","port":8080}}"#,
                    number / 250,
                    number % 250 + 1
                )
            })
            .collect();
        let body = format!(
            r#"{{"services":[{{"vip":"20.0.0.1","port":80,"protocol":"tcp","check":{{"type":"{}","intervalMs":{}}},"backends":[{}]}}]}}"#,
            options.kind,
            options.interval_ms,
            backends.join(",")
        );
        let answer = self.ask("PUT", "/v1/documents/api", &body)?;
        ensure!(answer.contains(" 200 "), "{answer}");
        Ok(())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let mut stream = UnixStream::connect(self.directory.join("run/loxid.sock"))?;
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: loxid\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn figures(&self) -> Result<Figures> {
        let child = self.loxid.as_ref().context("loxid runs")?;
        let metrics = self.ask("GET", "/metrics", "")?;
        let at = Instant::now();
        // nsenter became loxid: the process is the same.
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        let values = |prefix: &str| -> Vec<(String, f64)> {
            let lines = metrics.lines().filter(|line| line.starts_with(prefix));
            let value = |line: &str| {
                let (name, value) = line.rsplit_once(' ')?;
                Some((name.to_owned(), value.parse().ok()?))
            };
            lines.filter_map(value).collect()
        };
        let checks = values("loxid_health_checks_total{");
        let is_failed = |name: &String| !name.contains(r#"result="passed""#);
        let bound = |name: &str| {
            let text = name.split("le=\"").nth(1)?.split('"').next()?;
            Some(text.parse().unwrap_or(f64::INFINITY))
        };
        Ok(Figures {
            cpu: Duration::from_millis(ticks * 10),
            at,
            asked: checks.iter().map(|(_, value)| value).sum(),
            failed: checks
                .iter()
                .filter(|(name, _)| is_failed(name))
                .map(|(_, value)| value)
                .sum(),
            lateness: values("loxid_health_lateness_seconds_bucket")
                .into_iter()
                .filter_map(|(name, value)| Some((bound(&name)?, value)))
                .collect(),
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut child) = self.loxid.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in &self.names {
            let _ = ip(&format!("netns delete {name}"));
        }
        let _ = fs::remove_dir_all(&self.directory);
        let pins = format!("/sys/fs/bpf/loxid/health{}", std::process::id());
        let _ = fs::remove_dir_all(pins);
    }
}

fn ip(words: &str) -> Result<()> {
    let output = Command::new("ip").args(words.split_whitespace()).output()?;
    ensure!(
        output.status.success(),
        "ip {words}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
