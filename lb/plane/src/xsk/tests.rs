use proptest::prelude::*;

use super::frame::{FRAME_BYTES, Frame, Lent, Tally, Umem};
use super::ring::{Consumer, Layout, Producer};
use super::socket::{Descriptor, RING, Rings};
use super::sys::Memory;

/// Where the kernel puts a packet in a frame.
const HEADROOM: u64 = 256;

fn ends<T: Copy>() -> (Producer<T>, Consumer<T>) {
    let layout = Layout {
        producer: 0,
        consumer: 64,
        flags: 128,
        entries: 192,
    };
    let memory = Memory::anonymous(192 + RING as usize * size_of::<T>()).expect("memory is there");
    let producer = Producer::new(memory.clone(), layout, RING);
    (producer, Consumer::new(memory, layout, RING))
}

/// The other ends of a socket's rings, and what is in the kernel's hands.
struct Kernel {
    fill: Consumer<u64>,
    rx: Producer<Descriptor>,
    tx: Consumer<Descriptor>,
    completion: Producer<u64>,
    sending: Vec<Descriptor>,
}

fn socket(number: u16) -> (Rings, Kernel) {
    let (fill, kernel_fill) = ends();
    let (kernel_rx, rx) = ends();
    let (tx, kernel_tx) = ends();
    let (kernel_completion, completion) = ends();
    let rings = Rings {
        socket: number,
        fill,
        rx,
        tx,
        completion,
        filling: 0,
        sending: 0,
        foreign: 0,
    };
    let kernel = Kernel {
        fill: kernel_fill,
        rx: kernel_rx,
        tx: kernel_tx,
        completion: kernel_completion,
        sending: Vec::new(),
    };
    (rings, kernel)
}

impl Kernel {
    /// A packet of so many bytes comes; false: nowhere to receive it into.
    fn receive(&mut self, length: u32) -> bool {
        let Some(address) = self.fill.pop() else {
            return false;
        };
        self.fill.release();
        let frame = address / u64::from(FRAME_BYTES) * u64::from(FRAME_BYTES);
        let entry = Descriptor {
            address: frame + HEADROOM,
            length,
            options: 0,
        };
        assert!(self.rx.push(entry), "rx has room for what fill had");
        self.rx.publish();
        true
    }

    fn take(&mut self) {
        while let Some(entry) = self.tx.pop() {
            self.sending.push(entry);
        }
        self.tx.release();
    }

    /// Says that the oldest was sent.
    fn complete(&mut self) {
        if !self.sending.is_empty() {
            let entry = self.sending.remove(0);
            assert!(self.completion.push(entry.address));
            self.completion.publish();
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Refill(usize, u32),
    Arrive(usize, u32),
    Receive(usize, usize),
    Send(usize),
    Free,
    Take(usize),
    Complete(usize),
    Collect(usize),
    Close(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let socket = 0..2usize;
    prop_oneof![
        (socket.clone(), 0..40u32).prop_map(|(socket, level)| Step::Refill(socket, level)),
        (socket.clone(), 14..3000u32).prop_map(|(socket, bytes)| Step::Arrive(socket, bytes)),
        (socket.clone(), 1..8usize).prop_map(|(socket, most)| Step::Receive(socket, most)),
        socket.clone().prop_map(Step::Send),
        Just(Step::Free),
        socket.clone().prop_map(Step::Take),
        socket.clone().prop_map(Step::Complete),
        socket.clone().prop_map(Step::Collect),
        socket.prop_map(Step::Close),
    ]
}

proptest! {
    #[test]
    fn no_frame_is_ever_lost_or_doubled(steps in prop::collection::vec(step(), 1..400)) {
        const FRAMES: u32 = 48;
        let mut umem = Umem::new(FRAMES).expect("memory is there");
        let mut sockets = [socket(0), socket(1)];
        let mut next = 2;
        let mut held: Vec<Frame> = Vec::new();
        for step in steps {
            match step {
                Step::Refill(at, level) => sockets[at].0.refill(&mut umem, level),
                Step::Arrive(at, length) => drop(sockets[at].1.receive(length)),
                Step::Receive(at, most) => {
                    let before = held.len();
                    let count = sockets[at].0.receive(&mut umem, &mut held, most);
                    prop_assert_eq!(held.len(), before + count);
                    for frame in &mut held[before..] {
                        prop_assert_eq!(frame.packet().start, HEADROOM as usize);
                        let packet = frame.packet();
                        // Whoever has a frame may write it, and nobody else sees that.
                        umem.bytes(frame)[packet].fill(before as u8);
                    }
                }
                Step::Send(at) => if let Some(mut frame) = held.pop() {
                    let packet = frame.packet();
                    frame.set_packet(packet.start - 20..packet.end);
                    if let Err(frame) = sockets[at].0.send(&mut umem, frame) {
                        held.push(frame);
                    }
                    sockets[at].0.tx.publish();
                }
                Step::Free => if let Some(frame) = held.pop() {
                    umem.give(frame);
                }
                Step::Take(at) => sockets[at].1.take(),
                Step::Complete(at) => sockets[at].1.complete(),
                Step::Collect(at) => drop(sockets[at].0.complete(&mut umem)),
                Step::Close(at) => {
                    let closed = std::mem::replace(&mut sockets[at], socket(next));
                    let its = closed.0.filling + closed.0.sending;
                    prop_assert_eq!(umem.recall(closed.0.socket) as u32, its);
                    next += 1;
                }
            }
            let filling = sockets.iter().map(|(rings, _)| rings.filling as usize).sum();
            let sending = sockets.iter().map(|(rings, _)| rings.sending as usize).sum();
            let free = FRAMES as usize - held.len() - filling - sending;
            prop_assert_eq!(umem.tally(), Tally { free, held: held.len(), filling, sending });
            prop_assert!(sockets.iter().all(|(rings, _)| rings.foreign == 0));
        }
    }
}

#[test]
fn what_was_not_lent_is_not_taken_back() {
    let mut umem = Umem::new(2).expect("memory is there");
    let frame = umem.take().expect("memory is there");
    let (address, _) = umem.lend(frame, Lent::Fill(0));
    assert!(umem.reclaim(address, 60, Lent::Send(0)).is_none());
    assert!(umem.reclaim(address, 60, Lent::Fill(1)).is_none());
    assert!(
        umem.reclaim(address, FRAME_BYTES + 1, Lent::Fill(0))
            .is_none()
    );
    assert!(umem.reclaim(u64::MAX, 60, Lent::Fill(0)).is_none());
    let frame = umem
        .reclaim(address, 60, Lent::Fill(0))
        .expect("memory is there");
    assert!(umem.reclaim(address, 60, Lent::Fill(0)).is_none());
    umem.give(frame);
    assert_eq!(umem.tally().free, 2);
}

#[test]
#[should_panic(expected = "a frame of another memory")]
fn a_frame_of_another_memory_is_refused() {
    let (mut one, mut other) = (
        Umem::new(1).expect("memory is there"),
        Umem::new(1).expect("memory is there"),
    );
    let frame = one.take().expect("memory is there");
    other.give(frame);
}

#[test]
fn a_kernel_that_returns_a_frame_twice_is_counted_and_harms_nobody() {
    let mut umem = Umem::new(4).expect("memory is there");
    let (mut rings, mut kernel) = socket(0);
    rings.refill(&mut umem, 1);
    assert!(kernel.receive(100));
    kernel.rx.push(Descriptor {
        address: HEADROOM,
        length: 100,
        options: 0,
    });
    kernel.rx.publish();
    let mut frames = Vec::new();
    assert_eq!(rings.receive(&mut umem, &mut frames, 8), 1);
    assert_eq!(rings.foreign, 1);
    assert_eq!(umem.tally().held, 1);
    frames.drain(..).for_each(|frame| umem.give(frame));
}

#[test]
fn a_full_tx_ring_gives_the_frame_back_as_it_was() {
    let mut umem = Umem::new(RING).expect("memory is there");
    let (mut rings, _kernel) = socket(0);
    let mut frame = loop {
        let mut frame = umem.take().expect("memory is there");
        frame.set_packet(300..364);
        if let Err(frame) = rings.send(&mut umem, frame) {
            break frame;
        }
    };
    assert_eq!(frame.packet(), 300..364);
    assert_eq!(umem.bytes(&mut frame).len(), FRAME_BYTES as usize);
    assert_eq!(umem.tally().sending, RING as usize / 2);
    umem.give(frame);
}
