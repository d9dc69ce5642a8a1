//! One thread: its memory, its sockets, and the loop that forwards.

use std::io;
use std::mem::offset_of;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_bpf::user::{Action, UserHost};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::time::{ClockId, clock_gettime};

use super::Team;
use super::rows::Counter;
use super::seat::{Event, Seat, Why};
use crate::slots::CpuSlots;
use crate::tap::Tap;
use crate::workers::Epoch;
use crate::xsk::{Frame, Umem};

mod seating;

/// Frames that go through the core at once.
const BATCH: usize = 64;
/// How often the rows are looked at while packets come.
const LOOK: Duration = Duration::from_millis(1);
/// How long a thread without packets sleeps.
const SLEEP_MS: u8 = 4;
const SLEEP_PENDING_MS: u8 = 1;
/// Frames to be received into, of a socket, at most.
const FILL_MOST: u32 = 1024;

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
