//! What the daemon is between events: configuration, documents, the reconciler, and what it shows.
//!
//! Every event is a method that ends with a pass and a snapshot; `serve.rs` waits for events. A
//! change is stored, then applied, then answered: whoever got an answer may pull the plug.

mod announce;
mod changes;
mod confirmation;
mod connections;
mod health;
mod history;
mod interfaces;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lb_api::control::{Command, ControlError, State, StoredDocument};
use lb_api::server::Requests;
use lb_api::token::Tokens;
use lb_api::wire::{AttachAs, HistoryEntry};
use lb_core::health::{OperatorStates, Standings};
use lb_core::intent::{Intent, Source};
use lb_core::tables::BackendId;
use lb_plane::netlink::RawFacts;
use lb_plane::queues::QueueStatus;

use crate::cli::Options;
use crate::clock::seconds_since_epoch;
use crate::config::Config;
use crate::events::{Event, Events, Watch};
use crate::failure::line;
use crate::health::Monitor;
use crate::listen::Certificates;
use crate::metrics;
use crate::reconcile::{DataPlane, Depth, Inputs, Reconciler};
use crate::state::{self, Figures, Parts};
use crate::store::{Interfaces, Loaded, Store};
use crate::supervise::{How, Supervisor};

use confirmation::Awaited;

#[cfg(test)]
mod tests;

pub struct Daemon<P> {
    options: Options,
    config: Config,
    store: Store,
    documents: BTreeMap<Source, StoredDocument>,
    intent: Intent,
    interfaces: Interfaces,
    operators: OperatorStates,
    monitor: Monitor,
    /// Documents whose checks are asked.
    watched: health::Watched,
    standings: Arc<Standings>,
    tokens: Arc<Tokens>,
    /// When the last uses of tokens were stored, as the newest of them.
    uses_stored: u64,
    certificates: Certificates,
    /// The change that waits to be confirmed.
    awaited: Option<Awaited>,
    /// Generations that are kept, as the API shows them.
    history: Arc<Vec<HistoryEntry>>,
    events: Events,
    watch: Watch,
    /// Err: why there is no plane. What was pinned forwards nevertheless.
    reconciler: Result<Reconciler<P>, String>,
    facts: RawFacts,
    figures: Figures,
    warnings: Vec<String>,
    own: metrics::Own,
    requests: Arc<Requests>,
    kernel: String,
    started: Instant,
    /// None: nobody looks after the worker.
    supervisor: Option<Supervisor>,
    state: Arc<State>,
}

/// An answer that is due. It is given when everybody can see what it tells of: who reads next
/// finds what they wrote.
#[must_use]
pub struct Answer(Box<dyn FnOnce() + Send>);

impl Answer {
    fn of<T: Send + 'static>(reply: tokio::sync::oneshot::Sender<T>, result: T) -> Self {
        // An answer that nobody waits for is nobody's loss.
        Answer(Box::new(move || drop(reply.send(result))))
    }

    pub fn give(self) {
        (self.0)();
    }
}

impl<P: DataPlane> Daemon<P> {
    /// `plane`: Err says why there is none. `notes` are shown as warnings as long as the daemon runs.
    pub fn new(
        options: Options,
        config: Config,
        (store, loaded): (Store, Loaded),
        plane: Result<P, String>,
        notes: Vec<String>,
        requests: Arc<Requests>,
        events: Events,
    ) -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut daemon = Daemon {
            options,
            history: Arc::new(store.history()),
            store,
            awaited: None,
            tokens: Arc::new(loaded.tokens),
            uses_stored: 0,
            certificates: Certificates::default(),
            events,
            watch: Watch::default(),
            documents: loaded.documents,
            intent: Intent::default(),
            interfaces: loaded.interfaces,
            operators: loaded.operators,
            monitor: Monitor::new(),
            watched: health::Watched::new(),
            standings: Arc::default(),
            reconciler: plane.map(|plane| reconciler(plane, &config)),
            facts: RawFacts::default(),
            figures: Figures::default(),
            warnings: [config.warnings.clone(), loaded.warnings, notes].concat(),
            config,
            own: metrics::Own::new(since_epoch.as_secs_f64()),
            requests,
            kernel: kernel.trim().to_owned(),
            started: Instant::now(),
            supervisor: None,
            state: Arc::default(),
        };
        daemon.take_file_document();
        daemon.sync_intent();
        daemon.events.emit(Event::Started {
            version: env!("CARGO_PKG_VERSION"),
        });
        daemon.resume_waiting(loaded.waiting);
        daemon
    }

    /// Listeners' certificates, to be kept fresh.
    pub fn with_certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = certificates;
        self
    }

    pub fn state(&self) -> Arc<State> {
        self.state.clone()
    }

    /// Next hops that should be kept resolved: ifindex and address.
    pub fn neighbours(&self) -> BTreeSet<(u32, IpAddr)> {
        self.reconciler
            .as_ref()
            .map(|reconciler| reconciler.outcome.neighbours.clone())
            .unwrap_or_default()
    }

    /// When a pass that failed wants to be repeated.
    pub fn retry_at(&self) -> Option<Instant> {
        self.reconciler.as_ref().ok().and_then(Reconciler::retry_at)
    }

    pub fn supervise_with(&mut self, supervisor: Supervisor) {
        self.supervisor = Some(supervisor);
    }

    /// Sweeps a slice of the connections, and looks after the worker and what waits for it. True:
    /// there is another snapshot.
    pub fn sweep(&mut self) -> bool {
        if let Ok(reconciler) = &mut self.reconciler {
            reconciler.sweep_step();
        }
        let is_other = self.supervise();
        let now = Instant::now();
        let afxdp = &self.config.afxdp;
        let reconciler = self.reconciler.as_ref().ok();
        let is_due = reconciler.is_some_and(|reconciler| reconciler.is_due(afxdp, now));
        match (is_due, is_other) {
            (true, _) => self.pass(Depth::Known),
            (false, true) => self.publish(),
            (false, false) => {}
        }
        is_due || is_other
    }

    /// Starts, starts again, replaces or stops the worker. True: its status is another one.
    fn supervise(&mut self) -> bool {
        let (Some(supervisor), Ok(reconciler)) = (&mut self.supervisor, &self.reconciler) else {
            return false;
        };
        let Some(wanted) = reconciler.needs_worker() else {
            return false;
        };
        let before = supervisor.status();
        supervisor.step(wanted, Instant::now());
        // Who has which queue is news, too; what it counts is not.
        let is_moved = wanted && {
            let queues = reconciler.plane().queues();
            let held = |queues: &[QueueStatus]| -> Vec<_> {
                let held = queues.iter();
                held.map(|one| (one.slot, one.queue, one.owner, one.state))
                    .collect()
            };
            held(&queues) != held(&self.figures.queues)
        };
        supervisor.status() != before || is_moved
    }

    /// The box is not what it was.
    pub fn facts_changed(&mut self, facts: &RawFacts) {
        self.facts = facts.clone();
        self.pass(Depth::Known);
    }

    /// Reads back what the plane holds and counts, and repairs it.
    pub fn tick(&mut self) {
        self.certificates.refresh(seconds_since_epoch());
        self.keep_last_uses();
        self.collect(true);
        for event in self.watch.counted(&self.figures.totals, Instant::now()) {
            self.events.emit(event);
        }
        self.pass(Depth::ReadBack);
    }

    /// A pass and a snapshot.
    pub fn pass(&mut self, depth: Depth) {
        self.watch_documents();
        let wanted = self.wanted();
        if let Ok(reconciler) = &mut self.reconciler {
            let inputs = Inputs {
                intent: &self.intent,
                wanted: &wanted,
                vlans: &self.config.vlans,
                facts: &self.facts,
                afxdp: &self.config.afxdp,
                standings: &self.standings,
                now: Instant::now(),
            };
            let timer = self.own.pass_seconds.start_timer();
            reconciler.pass(&inputs, depth);
            timer.observe_duration();
            for event in self.watch.passed(&reconciler.outcome, &reconciler.counters) {
                self.events.emit(event);
            }
        }
        self.tell_announcing();
        self.publish();
    }

    fn publish(&mut self) {
        if let Ok(reconciler) = &self.reconciler {
            self.figures.queues = reconciler.plane().queues();
        }
        let of_certificates = self.certificates.warnings(seconds_since_epoch());
        let warnings = [self.warnings.as_slice(), of_certificates.as_slice()].concat();
        let parts = Parts {
            instance: &self.config.instance,
            kernel: &self.kernel,
            uptime: self.started.elapsed().as_secs(),
            documents: &self.documents,
            outcome: self
                .reconciler
                .as_ref()
                .ok()
                .map(|reconciler| &reconciler.outcome),
            plane_failure: self.reconciler.as_ref().err().map(String::as_str),
            facts: &self.facts,
            figures: &self.figures,
            warnings: &warnings,
            detached: &self.interfaces.detached,
            worker: self.supervisor.as_ref().and_then(Supervisor::status),
            healths: &self.monitor.healths(),
            operators: &self.operators,
            announcing: self.reconciler.as_ref().ok().map(|one| &one.announcing),
            confirmation: self.confirmation(),
            history: &self.history,
            tokens: &self.tokens,
        };
        self.state = Arc::new(state::state(&parts));
    }

    /// Reads counters; of the connection table only if `usage` is asked for: that is a scan.
    fn collect(&mut self, usage: bool) {
        let Ok(reconciler) = &self.reconciler else {
            return;
        };
        let reader = reconciler.plane().reader();
        let outcome = &reconciler.outcome;
        self.figures.totals = reader.totals();
        self.figures
            .recent
            .counted(&self.figures.totals, Instant::now());
        self.figures.source_ports = reader.source_ports().len();
        self.figures.services = state::rows(outcome)
            .into_keys()
            .map(|id| (id, reader.service(id)))
            .collect();
        let backends = outcome
            .conditions
            .values()
            .flat_map(|status| status.backends.values());
        let ids: BTreeSet<BackendId> = backends.filter_map(|backend| backend.id).collect();
        self.figures.backends = ids.iter().map(|id| (*id, reader.backend(*id))).collect();
        self.figures.loads = ids.iter().map(|id| (*id, reader.load(*id))).collect();
        if usage {
            self.figures.usage = reader.usage();
        }
    }

    /// Does what is asked for. The answer is given by the caller, once the state is published.
    pub fn command(&mut self, command: Command) -> Answer {
        match command {
            Command::PutDocument {
                source,
                document,
                precondition,
                dry_run,
                terms,
                actor,
                reply,
            } => {
                let result =
                    self.put_document(source, document, &precondition, dry_run, terms, &actor);
                Answer::of(reply, self.counted(dry_run, result))
            }
            Command::DeleteDocument {
                source,
                precondition,
                dry_run,
                actor,
                reply,
            } => {
                let result = self.delete_document(source, &precondition, dry_run, &actor);
                Answer::of(reply, self.counted(dry_run, result))
            }
            Command::Edit {
                edit,
                precondition,
                dry_run,
                actor,
                reply,
            } => {
                let result = self.edit(&edit, &precondition, dry_run, &actor);
                Answer::of(reply, self.counted(dry_run, result))
            }
            Command::Attach {
                interface,
                how,
                actor,
                reply,
            } => Answer::of(reply, self.attach(&interface, how, &actor)),
            Command::Detach {
                interface,
                actor,
                reply,
            } => Answer::of(reply, self.detach(&interface, &actor)),
            Command::Rollback {
                generation,
                precondition,
                dry_run,
                terms,
                actor,
                reply,
            } => {
                let result = self.rollback(generation, &precondition, dry_run, terms, &actor);
                Answer::of(reply, self.counted(dry_run, result))
            }
            Command::HistoryDetail { generation, reply } => {
                Answer::of(reply, self.history_detail(generation))
            }
            Command::Confirm {
                precondition,
                actor,
                reply,
            } => Answer::of(reply, self.confirm(&precondition, &actor)),
            Command::Revert {
                precondition,
                actor,
                reply,
            } => {
                let result = self.revert(&precondition, &actor);
                Answer::of(reply, self.counted(false, result))
            }
            Command::Connections { query, reply } => Answer::of(reply, self.connections(&query)),
            Command::CreateToken { token, reply, .. } => {
                Answer::of(reply, self.create_token(token))
            }
            Command::RevokeToken { name, reply, .. } => Answer::of(reply, self.revoke_token(&name)),
            Command::DescribeBackends {
                service,
                endpoint,
                reply,
            } => Answer::of(reply, self.describe_backends(service, endpoint)),
            Command::SetOperatorState {
                service,
                endpoint,
                state,
                actor,
                reply,
            } => {
                let result = self.set_operator_state(service, endpoint, state, &actor);
                Answer::of(reply, result)
            }
            Command::Metrics { reply } => {
                self.collect(false);
                Answer::of(reply, Ok(self.metrics()))
            }
        }
    }

    fn metrics(&self) -> String {
        metrics::text(&metrics::Sources {
            own: &self.own,
            kernel: &self.kernel,
            state: &self.state,
            figures: &self.figures,
            health: &self.monitor.figures(),
            requests: &self.requests.snapshot(),
            api: &self.requests,
            plane: self
                .reconciler
                .as_ref()
                .ok()
                .map(|reconciler| (&reconciler.outcome, &reconciler.counters)),
            announcing: self.reconciler.as_ref().ok().map(|one| &one.announcing),
        })
    }

    fn counted<T>(
        &mut self,
        dry_run: bool,
        result: Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        if !dry_run {
            let name = match &result {
                Ok(_) => "ok",
                Err(ControlError::Storage { .. } | ControlError::Unavailable { .. }) => "failed",
                Err(_) => "refused",
            };
            *self.own.applies.entry(name).or_default() += 1;
        }
        result
    }

    /// Reads the configuration again. Returns the level of the logs, if there is a configuration.
    pub fn reload(&mut self) -> Option<String> {
        let config = match Config::load(&self.options) {
            Ok(config) => config,
            Err(error) => {
                self.events.emit(Event::ReloadRefused {
                    problem: line(&error),
                });
                return None;
            }
        };
        let checked = self
            .check_interfaces(&Source::File, &config.document, &config.vlans)
            .and_then(|()| self.check_health(&Source::File, &config.document));
        if let Err(error) = checked {
            self.events.emit(Event::ReloadRefused {
                problem: line(&error),
            });
            return None;
        }
        let before = std::mem::replace(&mut self.config, config);
        if let Ok(reconciler) = &mut self.reconciler {
            reconciler.announcing.set_probe(self.config.probe);
        }
        self.keep_what_needs_a_restart(&before);
        if self.config.afxdp != before.afxdp
            && let Some(supervisor) = &mut self.supervisor
        {
            supervisor.changed(How::of(&self.options, &self.config));
        }
        self.warnings
            .retain(|warning| !before.warnings.contains(warning));
        self.warnings.extend(self.config.warnings.clone());
        self.detach_what_is_gone(&before);
        self.take_file_document();
        self.sync_intent();
        let file = self
            .config
            .file
            .as_deref()
            .map_or("defaults".into(), |path| path.to_string_lossy());
        self.events.emit(Event::Reloaded {
            file: file.into_owned(),
        });
        self.pass(Depth::ReadBack);
        Some(self.config.log_level.clone())
    }

    fn keep_what_needs_a_restart(&mut self, before: &Config) {
        let now = &mut self.config;
        let keep = |key: &str, is_same: bool| {
            if !is_same {
                tracing::warn!(key, "the change takes effect when loxid is restarted");
            }
        };
        keep("instance", now.instance == before.instance);
        keep("stateDir", now.state_dir == before.state_dir);
        keep("runDir", now.run_dir == before.run_dir);
        keep("bpffs", now.bpffs == before.bpffs);
        keep(
            "api",
            now.unix == before.unix && now.tcp == before.tcp && now.listen == before.listen,
        );
        keep("hashSecret", now.hash_secret == before.hash_secret);
        keep("limits", now.limits == before.limits);
        keep("sourcePorts", now.source_ports == before.source_ports);
        keep("tunnelSource", now.tunnel_sources == before.tunnel_sources);
        now.instance.clone_from(&before.instance);
    }

    /// The document of source `file` is the configuration's services.
    fn take_file_document(&mut self) {
        let document = &self.config.document;
        let before = self
            .documents
            .get(&Source::File)
            .map(|stored| &*stored.document);
        if document.is_empty() {
            self.documents.remove(&Source::File);
        } else if before != Some(document) {
            let stored = StoredDocument {
                generation: self.store.next_generation(),
                document: Arc::new(document.clone()),
            };
            self.documents.insert(Source::File, stored);
        }
    }

    fn sync_intent(&mut self) {
        let documents = self.documents.iter();
        self.intent.documents = documents
            .map(|(source, stored)| (source.clone(), (*stored.document).clone()))
            .collect();
    }

    /// Interfaces of the file and those attached by hand, less those detached by hand.
    fn wanted(&self) -> BTreeMap<String, AttachAs> {
        let of_file = self
            .config
            .interfaces
            .iter()
            .map(|interface| (interface.name.clone(), interface.how));
        let of_file = of_file.filter(|(name, _)| !self.interfaces.detached.contains(name));
        let by_hand = self
            .interfaces
            .attached
            .iter()
            .map(|(name, how)| (name.clone(), *how));
        of_file.chain(by_hand).collect()
    }
}

fn reconciler<P: DataPlane>(plane: P, config: &Config) -> Reconciler<P> {
    let mut reconciler = Reconciler::new(plane);
    reconciler.announcing.set_probe(config.probe);
    reconciler
}
