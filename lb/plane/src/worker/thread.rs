//! One thread: its memory, its sockets, and the loop that forwards.

use std::collections::BTreeMap;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_bpf::user::{Action, UserHost};
use libbpf_rs::{MapCore, MapFlags};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::time::{ClockId, clock_gettime};

use super::Team;
use super::rows::{Counter, Row, Wish};
use super::seat::{Claim, Event, Seat, Why, claim, disown, own, renounce};
use crate::slots::CpuSlots;
use crate::tap::{Tap, device as link};
use crate::workers::Epoch;
use crate::xsk::{BindError, Binding, FRAME_BYTES, Frame, Mode, Socket, Umem, Unbound};

/// Frames that go through the core at once.
const BATCH: usize = 64;
/// How often the rows are looked at while packets come.
const LOOK: Duration = Duration::from_millis(1);
/// How often the kernel is asked what it counted.
const COUNT: Duration = Duration::from_millis(100);
/// How long a thread without packets sleeps.
const SLEEP_MS: u8 = 4;
const SLEEP_PENDING_MS: u8 = 1;
/// Frames to be received into, of a socket, at most.
const FILL_MOST: u32 = 1024;
/// Turns in which a socket's last frames are forwarded, before it is closed.
const DRAIN_TURNS: u32 = 64;

/// Wakes a thread, and tells it to end.
#[derive(Clone)]
pub struct Bell {
    inner: Arc<(EventFd, AtomicBool)>,
}

impl Bell {
    /// # Errors
    /// No descriptor is free.
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let event = EventFd::from_flags(flags)?;
        Ok(Bell {
            inner: Arc::new((event, AtomicBool::new(false))),
        })
    }

    /// Tells the thread to end.
    pub fn stop(&self) {
        self.inner.1.store(true, Ordering::SeqCst);
        // It can only fail where the bell rings already.
        let _ = self.inner.0.write(1);
    }

    pub fn is_stopped(&self) -> bool {
        self.inner.1.load(Ordering::SeqCst)
    }
}

/// A thread's whole state. Run it on a thread of its own: [`WorkerThread::run`].
pub struct WorkerThread {
    team: Arc<Team>,
    number: u32,
    count: u32,
    frames_per_queue: u32,
    host: UserHost,
    epoch: Epoch,
    umem: Option<Umem>,
    seats: Vec<Seat>,
    tap: Arc<OnceLock<Tap>>,
    bell: Bell,
    batch: Vec<Frame>,
    passed: Vec<Frame>,
    events: Vec<Event>,
    next_socket: u16,
    /// A driver refused it.
    no_zero_copy: bool,
    look_at: Instant,
    count_at: Instant,
    /// A queue is to be bound as soon as that can be.
    pending: bool,
}

impl WorkerThread {
    pub(super) fn new(
        team: Arc<Team>,
        number: u32,
        count: u32,
        frames_per_queue: u32,
        tap: Arc<OnceLock<Tap>>,
        bell: Bell,
    ) -> Self {
        let slot = CpuSlots::of(team.regions.config())
            .worker(team.set, number)
            .expect("no more threads are made than the set has slots");
        let now = Instant::now();
        WorkerThread {
            host: UserHost::new(&team.regions, slot),
            epoch: Epoch::new(&team.regions, slot),
            team,
            number,
            count,
            frames_per_queue,
            umem: None,
            seats: Vec::new(),
            tap,
            bell,
            batch: Vec::with_capacity(BATCH),
            passed: Vec::with_capacity(BATCH),
            events: Vec::new(),
            next_socket: 0,
            no_zero_copy: false,
            look_at: now,
            count_at: now,
            pending: false,
        }
    }

    /// Forwards until the bell says stop; then lets go of all queues.
    pub fn run(mut self, report: impl Fn(Event)) {
        while !self.bell.is_stopped() {
            let received = self.turn(Instant::now());
            for event in self.events.drain(..) {
                report(event);
            }
            if received == 0 {
                self.sleep();
            }
        }
        self.let_go();
        self.events.drain(..).for_each(report);
    }

    /// One round over all sockets; says how many frames were received.
    fn turn(&mut self, now: Instant) -> usize {
        if now >= self.look_at {
            self.look(now);
            self.look_at = now + LOOK;
        }
        let mut received = 0;
        for at in 0..self.seats.len() {
            received += self.serve(at);
        }
        self.flush();
        received
    }

    /// Forwards a batch of a seat's frames.
    fn serve(&mut self, at: usize) -> usize {
        let (Some(umem), Some(seat)) = (&mut self.umem, self.seats.get_mut(at)) else {
            return 0;
        };
        let Some(socket) = &mut seat.socket else {
            return 0;
        };
        let received = socket.receive(umem, &mut self.batch, BATCH);
        if received > 0 {
            self.host.set_now(Some(coarse_now()));
            self.epoch.enter();
            let bytes = self.forward(at);
            self.epoch.leave();
            let (rows, row) = (&self.team.rows, self.seats[at].row);
            rows.add(row, Counter::RX, received as u64);
            rows.add(row, Counter::RX_BYTES, bytes);
            rows.add(row, Counter::BATCHES, 1);
            rows.raise(row, Counter::BATCH_MOST, received as u64);
            self.pass(at);
        }
        self.refill(at);
        received
    }

    /// Runs the batch through the core, and puts each frame where the core says. Says how many
    /// bytes it had.
    fn forward(&mut self, at: usize) -> u64 {
        let ifindex = self.seats[at].wish.ifindex;
        let mut batch = std::mem::take(&mut self.batch);
        let (mut bytes, mut lost, mut full) = (0, 0, 0);
        for mut frame in batch.drain(..) {
            let Some(umem) = &mut self.umem else { break };
            bytes += u64::from(frame.length());
            let packet = frame.packet();
            let (packet, verdict) = self
                .host
                .forward_in(umem.bytes(&mut frame), packet, ifindex);
            frame.set_packet(packet);
            let to = match verdict.action {
                Action::Drop => {
                    umem.give(frame);
                    continue;
                }
                Action::Pass => {
                    self.passed.push(frame);
                    continue;
                }
                Action::Tx { .. } => ifindex,
                Action::Redirect { slot } => device(&self.team.regions, slot),
            };
            let sent = match way(&mut self.seats, to, self.number) {
                Some(seat) => seat.send(umem, frame),
                None => Err(frame),
            };
            if let Err(frame) = sent {
                umem.give(frame);
                lost += 1;
                full += u64::from(to != 0);
            }
        }
        self.batch = batch;
        let (rows, row) = (&self.team.rows, self.seats[at].row);
        rows.add(row, Counter::TX_DROPPED, lost);
        rows.add(row, Counter::RING_FULL, full);
        bytes
    }

    /// Gives the frames that the core passed to the box's stack.
    fn pass(&mut self, at: usize) {
        if self.passed.is_empty() {
            return;
        }
        let row = self.seats[at].row;
        let mac = mac(&self.team.regions, row.slot());
        let (mut passed, mut lost) = (0, 0);
        for mut frame in self.passed.drain(..) {
            let Some(umem) = &mut self.umem else { break };
            let packet = frame.packet();
            let bytes = &mut umem.bytes(&mut frame)[packet];
            let given = self.tap.get().map(|tap| tap.pass(bytes, mac));
            match given {
                Some(Ok(())) => passed += 1,
                _ => lost += 1,
            }
            umem.give(frame);
        }
        self.team.rows.add(row, Counter::PASSED, passed);
        self.team.rows.add(row, Counter::TX_DROPPED, lost);
    }

    fn refill(&mut self, at: usize) {
        let level = self.level();
        if let (Some(umem), Some(seat)) = (&mut self.umem, self.seats.get_mut(at))
            && seat.serves()
            && let Some(socket) = &mut seat.socket
        {
            socket.refill(umem, level);
            let woken = socket.wake_receive();
            self.team.rows.add(seat.row, Counter::WAKEUPS, woken.into());
        }
    }

    /// Frames that a socket may have to receive into: half of all are for those that are sent.
    fn level(&self) -> u32 {
        let frames = self.umem.as_ref().map_or(0, Umem::frames);
        let share = frames / (2 * self.seats.len().max(1) as u32);
        share.min(FILL_MOST)
    }

    /// Has all that was put into tx rings sent.
    fn flush(&mut self) {
        let Some(umem) = &mut self.umem else { return };
        let mut gone = Vec::new();
        for (at, seat) in self.seats.iter_mut().enumerate() {
            let Some(socket) = &mut seat.socket else {
                continue;
            };
            match socket.flush(umem) {
                Ok(wakes) => self.team.rows.add(seat.row, Counter::WAKEUPS, wakes),
                Err(_) => gone.push(at),
            }
        }
        for at in gone {
            self.close(at, Why::Gone);
        }
    }

    /// Sleeps until packets come, the bell rings, or the rows are to be looked at.
    fn sleep(&mut self) {
        let mut sockets: Vec<PollFd> =
            vec![PollFd::new(self.bell.inner.0.as_fd(), PollFlags::POLLIN)];
        let mut unsent = false;
        for socket in self.seats.iter().filter_map(|seat| seat.socket.as_ref()) {
            unsent |= socket.is_unsent();
            sockets.push(PollFd::new(socket.fd(), PollFlags::POLLIN));
        }
        let milliseconds = match self.pending || unsent {
            true => SLEEP_PENDING_MS,
            false => SLEEP_MS,
        };
        // Interrupted by a signal, or over: either way the next turn looks again.
        let _ = poll(&mut sockets, PollTimeout::from(milliseconds));
        let broken = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        let is_broken = |fd: &PollFd| fd.revents().is_some_and(|got| got.intersects(broken));
        if sockets[1..].iter().any(is_broken) {
            drop(sockets);
            self.close_broken();
        }
    }

    fn close_broken(&mut self) {
        for at in 0..self.seats.len() {
            let socket = self.seats[at].socket.as_ref();
            if socket.is_some_and(|socket| socket.error().is_err()) {
                self.close(at, Why::Gone);
            }
        }
    }

    /// Compares the rows with the seats, and binds and lets go.
    fn look(&mut self, now: Instant) {
        let wanted = self.wanted();
        for at in (0..self.seats.len()).rev() {
            let wish = wanted.get(&self.seats[at].row);
            self.follow(at, wish.copied());
        }
        for (row, wish) in wanted {
            if !self.seats.iter().any(|seat| seat.row == row) {
                self.seats.push(Seat::new(row, wish, now));
            }
        }
        self.agree_on_mode();
        self.pending = false;
        for at in 0..self.seats.len() {
            self.tend(at, now);
        }
        if now >= self.count_at {
            for seat in &mut self.seats {
                seat.count(&self.team.rows);
            }
            self.count_at = now + COUNT;
        }
    }

    /// This thread's part of what the daemon wants.
    fn wanted(&self) -> BTreeMap<Row, Wish> {
        let ours = |(row, wish): &(Row, Wish)| match wish.flags & abi::LB_QUEUE_SERVE {
            0 => row.queue() == self.number,
            _ => row.queue() % self.count == self.number,
        };
        self.team.rows.wanted().filter(ours).collect()
    }

    /// What is wanted of a seat may have changed.
    fn follow(&mut self, at: usize, wish: Option<Wish>) {
        let seat = &mut self.seats[at];
        let Some(wish) = wish else {
            self.close(at, Why::Unwanted);
            renounce(&self.team.rows, self.seats[at].row);
            self.seats.remove(at);
            return;
        };
        let before = std::mem::replace(&mut seat.wish, wish);
        let changed = before.flags ^ wish.flags;
        let how = abi::LB_QUEUE_ZERO_COPY | abi::LB_QUEUE_GENERIC | abi::LB_QUEUE_BUSY_POLL;
        if before.ifindex != wish.ifindex || changed & how != 0 {
            seat.wish = before;
            self.close(at, Why::Unwanted);
            self.seats[at] = Seat::new(self.seats[at].row, wish, Instant::now());
        } else if changed != 0 && seat.socket.is_some() {
            self.direct(at);
        }
    }

    /// All sockets of a memory are in one mode.
    fn agree_on_mode(&mut self) {
        let mode = self.mode();
        let differs = |seat: &Seat| {
            let socket = seat.socket.as_ref();
            socket.is_some_and(|socket| socket.binding().mode != mode)
        };
        if self.seats.iter().any(differs) {
            for at in 0..self.seats.len() {
                self.close(at, Why::Unwanted);
            }
        }
        // A driver without copies may have kept frames of a closed socket.
        let is_short = |umem: &Umem| umem.tally().free < umem.frames() as usize;
        if self.seats.iter().all(|seat| seat.socket.is_none())
            && self.umem.as_ref().is_some_and(is_short)
        {
            // Sockets that are not bound yet are of this memory.
            self.seats.iter_mut().for_each(|seat| seat.unbound = None);
            self.umem = None;
        }
    }

    fn mode(&self) -> Mode {
        let all = self.seats.iter().all(Seat::wants_zero_copy);
        match all && !self.seats.is_empty() && !self.no_zero_copy {
            true => Mode::ZeroCopy,
            false => Mode::Copy,
        }
    }

    /// Binds a seat if that is due, or lets go of it if it is another process's.
    fn tend(&mut self, at: usize, now: Instant) {
        let row = self.seats[at].row;
        let other_lives = self.team.other_lives.load(Ordering::Relaxed);
        // One queue after the other is taken over, and each when its socket is ready.
        let may_take = other_lives && !self.pending && self.seats[at].socket.is_none();
        let may_take = may_take && self.team.replaces.is_some() && self.prepare(at).is_ok();
        let take_from = self.team.replaces.filter(|_| may_take);
        match claim(&self.team.rows, row, other_lives, take_from) {
            Claim::Theirs => {
                self.close(at, Why::Replaced);
                self.seats[at].since = now;
            }
            Claim::Soon => {
                self.pending = true;
                // Whoever has the queue has it until this is done; errors are those of bind().
                let _ = self.prepare(at);
            }
            Claim::Ours if self.seats[at].is_due(now) => self.bind(at, now),
            Claim::Ours => self.pending |= self.seats[at].socket.is_none(),
        }
    }

    fn bind(&mut self, at: usize, now: Instant) {
        let mode = self.mode();
        match self.try_bind(at, mode) {
            Ok(socket) => {
                let seat = &mut self.seats[at];
                seat.bound(socket);
                let (row, wish) = (seat.row, seat.wish);
                let after = now.duration_since(seat.since);
                self.refill(at);
                self.direct(at);
                own(&self.team.rows, row, mode);
                self.events.push(Event::Bound {
                    slot: row.slot(),
                    ifindex: wish.ifindex,
                    queue: row.queue(),
                    mode,
                    after,
                });
            }
            Err(BindError::NoZeroCopy(_)) => {
                self.no_zero_copy = true;
                self.pending = true;
                let (ifindex, queue) = (self.seats[at].wish.ifindex, self.seats[at].row.queue());
                self.events.push(Event::Copies { ifindex, queue });
            }
            Err(error) => {
                let seat = &mut self.seats[at];
                let errno = error.errno() as u32;
                let failed = abi::lb_queue_state::LB_QUEUE_FAILED;
                self.team.rows.set_state(seat.row, failed, errno);
                self.pending |= matches!(error, BindError::Busy(_));
                let (ifindex, queue) = (seat.wish.ifindex, seat.row.queue());
                if seat.failed(&error, now) {
                    self.events.push(Event::Failed {
                        ifindex,
                        queue,
                        error,
                    });
                }
            }
        }
    }

    fn try_bind(&mut self, at: usize, mode: Mode) -> Result<Socket, BindError> {
        self.check_device(at)?;
        self.prepare(at)?;
        let seat = &mut self.seats[at];
        let unbound = seat.unbound.take().expect("prepared above");
        let binding = Binding {
            ifindex: seat.wish.ifindex,
            queue: seat.row.queue(),
            mode,
            busy_poll: seat.wish.flags & abi::LB_QUEUE_BUSY_POLL != 0,
        };
        let sharing = self.seats.iter().find_map(|seat| seat.socket.as_ref());
        unbound.bind(sharing, binding).map_err(|refused| {
            let (unbound, error) = *refused;
            // Only who waits for the queue keeps it: all else may need other memory.
            if matches!(error, BindError::Busy(_)) {
                self.seats[at].unbound = Some(unbound);
            }
            error
        })
    }

    /// An index is of a network namespace, and the daemon's may be another one: so the device must
    /// have the address that the daemon knows.
    fn check_device(&self, at: usize) -> Result<(), BindError> {
        let Seat { row, wish, .. } = &self.seats[at];
        let regions = &self.team.regions;
        let known = device(regions, row.slot()) == wish.ifindex;
        match link::mac(wish.ifindex) {
            Ok(found) if !known || found == mac(regions, row.slot()) => Ok(()),
            Ok(_) => Err(BindError::AnotherInterface(io::ErrorKind::NotFound.into())),
            Err(error) => Err(BindError::NoInterface(error)),
        }
    }

    /// Opens what is to be a seat's socket, and the memory if there is none.
    fn prepare(&mut self, at: usize) -> Result<(), BindError> {
        let is_first = self.seats.iter().all(|seat| seat.socket.is_none());
        let ready = self.seats[at].unbound.as_ref();
        if ready.is_some_and(|unbound| unbound.is_first() == is_first) {
            return Ok(());
        }
        let frames = self.frames_per_queue * self.seats.len() as u32;
        let umem = match &self.umem {
            Some(umem) => umem,
            None => {
                let made = Umem::new(frames).map_err(|source| BindError::Memory {
                    bytes: frames as usize * FRAME_BYTES as usize,
                    source,
                })?;
                self.umem.insert(made)
            }
        };
        self.seats[at].unbound = Some(Unbound::open(umem, self.next_socket, is_first)?);
        self.next_socket = self.next_socket.wrapping_add(1);
        Ok(())
    }

    /// Directs the redirector's packets of a queue to its socket, or not.
    fn direct(&mut self, at: usize) {
        let seat = &self.seats[at];
        let key = seat.row.0.to_ne_bytes();
        if let (true, Some(socket)) = (seat.serves(), &seat.socket) {
            let fd = socket.fd().as_raw_fd().to_ne_bytes();
            if self.team.xskmap.update(&key, &fd, MapFlags::ANY).is_ok() {
                return;
            }
        }
        // It is empty already where no socket was there.
        let _ = self.team.xskmap.delete(&key);
    }

    /// Forwards what a seat's socket still has, and closes it.
    fn close(&mut self, at: usize, why: Why) {
        if self.seats[at].socket.is_none() {
            return;
        }
        let row = self.seats[at].row;
        if why != Why::Gone {
            let _ = self.team.xskmap.delete(&row.0.to_ne_bytes());
            for _ in 0..DRAIN_TURNS {
                if self.drain(at) == 0 {
                    break;
                }
            }
        }
        let seat = &mut self.seats[at];
        seat.count(&self.team.rows);
        if let (Some(socket), Some(umem)) = (seat.socket.take(), &mut self.umem) {
            socket.close(umem);
        }
        disown(&self.team.rows, row);
        let seat = &mut self.seats[at];
        seat.since = Instant::now();
        self.events.push(Event::Closed {
            ifindex: seat.wish.ifindex,
            queue: row.queue(),
            why,
        });
    }

    /// Forwards one more batch, and sees that it leaves.
    fn drain(&mut self, at: usize) -> usize {
        let received = self.serve(at);
        if let Some(umem) = &mut self.umem {
            for socket in self
                .seats
                .iter_mut()
                .filter_map(|seat| seat.socket.as_mut())
            {
                // One that is gone is found by the next turn.
                let _ = socket.flush(umem);
            }
        }
        received
    }

    fn let_go(&mut self) {
        for at in 0..self.seats.len() {
            self.close(at, Why::Stopped);
            renounce(&self.team.rows, self.seats[at].row);
        }
        self.seats.clear();
        self.umem = None;
    }
}

impl Seat {
    /// Puts a frame on its way; or gives it back.
    fn send(&mut self, umem: &mut Umem, frame: Frame) -> Result<(), Frame> {
        let Some(socket) = &mut self.socket else {
            return Err(frame);
        };
        let bytes = u64::from(frame.length());
        let sent = socket.send(umem, frame);
        let sent = match sent {
            // The ring is full of what the kernel was not told of yet.
            Err(frame) => match socket.flush(umem) {
                Ok(_) => socket.send(umem, frame),
                Err(_) => Err(frame),
            },
            sent => sent,
        };
        if sent.is_ok() {
            self.sent += 1;
            self.sent_bytes += bytes;
        }
        sent
    }
}

/// The seat by which a thread sends on a device.
fn way(seats: &mut [Seat], ifindex: u32, number: u32) -> Option<&mut Seat> {
    seats
        .iter_mut()
        .find(|seat| seat.wish.ifindex == ifindex && seat.row.queue() == number)
}

/// The device of an interface's row.
fn device(regions: &Regions, slot: u32) -> u32 {
    let word = offset_of!(abi::lb_interface, ifindex) / 8;
    regions.load_u64(Region::Interfaces, slot, word) as u32
}

/// The MAC address of an interface's row.
fn mac(regions: &Regions, slot: u32) -> [u8; 6] {
    const AT: usize = offset_of!(abi::lb_interface, mac);
    const _: () = assert!(AT.is_multiple_of(8));
    let bytes = regions
        .load_u64(Region::Interfaces, slot, AT / 8)
        .to_ne_bytes();
    std::array::from_fn(|at| bytes[at])
}

/// CLOCK_MONOTONIC_COARSE, in nanoseconds: ages are in ticks of a second.
fn coarse_now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map(Duration::from);
    now.map_or(0, |now| now.as_nanos() as u64)
}
