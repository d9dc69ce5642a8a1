//! Which queues a thread serves: follows what is wanted of it, claims, binds, and lets go.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lb_bpf::abi;
use libbpf_rs::{MapCore, MapFlags};

use super::{WorkerThread, device, mac};
use crate::tap::device as link;
use crate::worker::rows::{Row, Wish};
use crate::worker::seat::{Claim, Event, Seat, Why, claim, disown, own, renounce};
use crate::xsk::{BindError, Binding, FRAME_BYTES, Mode, Socket, Umem, Unbound};

/// How often the kernel is asked what it counted.
const COUNT: Duration = Duration::from_millis(100);
/// Turns in which a socket's last frames are forwarded, before it is closed.
const DRAIN_TURNS: u32 = 64;

impl WorkerThread {
    /// Compares the rows with the seats, and binds and lets go.
    pub(super) fn look(&mut self, now: Instant) {
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
    pub(super) fn close(&mut self, at: usize, why: Why) {
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

    pub(super) fn let_go(&mut self) {
        for at in 0..self.seats.len() {
            self.close(at, Why::Stopped);
            renounce(&self.team.rows, self.seats[at].row);
        }
        self.seats.clear();
        self.umem = None;
    }
}
