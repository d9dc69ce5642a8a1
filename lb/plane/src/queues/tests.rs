use zerocopy::FromZeros;

use super::*;
use crate::for_memory;
use crate::options::DEFAULT_LIMITS;

const SLOT: InterfaceSlot = InterfaceSlot(3);

fn queues() -> Queues {
    Queues::new(&Regions::heap(
        &for_memory(&DEFAULT_LIMITS, 3).expect("sizes that are allowed"),
    ))
}

fn wanted() -> Wanted {
    Wanted {
        part: Part::Serve,
        zero_copy: true,
        generic: false,
        busy_poll: true,
    }
}

#[test]
fn what_is_wanted_is_read_back() {
    let queues = queues();
    queues.want(SLOT, 17, 2, wanted()).expect("not too many");
    let rows = queues.read();
    let seen: Vec<_> = rows.iter().map(|row| (row.slot, row.queue)).collect();
    assert_eq!(seen, [(SLOT, 0), (SLOT, 1)]);
    for row in rows {
        assert_eq!((row.ifindex, row.wanted), (17, Some(wanted())));
        assert_eq!(
            (row.worker, row.owner, row.state),
            (None, None, QueueState::Idle)
        );
        assert!(!row.is_bound());
    }
}

#[test]
fn fewer_queues_leave_the_others_unwanted() {
    let queues = queues();
    queues.want(SLOT, 17, 4, wanted()).expect("not too many");
    queues.want(SLOT, 17, 1, wanted()).expect("not too many");
    assert_eq!(queues.read().len(), 1);
    queues.unwant(SLOT);
    assert_eq!(queues.read(), []);
}

#[test]
fn a_queue_that_is_served_is_listed_though_it_is_unwanted() {
    let queues = queues();
    let row = abi::lb_queue {
        worker: 5,
        owner: 4,
        state: abi::lb_queue_state::LB_QUEUE_COPIES,
        tx: 9,
        ..abi::lb_queue::new_zeroed()
    };
    queues.regions.write(Region::Queues, index(SLOT, 63), &row);
    let rows = queues.read();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].queue, rows[0].wanted), (63, None));
    assert_eq!((rows[0].worker, rows[0].owner), (Some(5), Some(4)));
    assert!(rows[0].is_bound());
    assert_eq!(rows[0].counts.tx, 9);
}

#[test]
fn more_queues_than_there_are_places_are_refused() {
    let queues = queues();
    let refused = queues.want(SLOT, 17, 65, wanted());
    assert_eq!(refused, Err(TooManyQueues { queues: 65 }));
    assert_eq!(queues.read(), []);
}

#[test]
fn the_two_fields_of_a_word_are_where_the_row_has_them() {
    let queues = queues();
    queues.want(SLOT, 17, 1, wanted()).expect("not too many");
    let row: abi::lb_queue = queues.regions.read(Region::Queues, index(SLOT, 0));
    assert_eq!((row.ifindex, row.wanted), (17, wanted().bits()));
}

#[test]
fn a_failure_says_what_the_kernel_said() {
    let text = QueueState::Failed(libc::EBUSY as u32).to_string();
    assert!(text.contains("busy"), "{text}");
}
