#![allow(clippy::unwrap_used)]

use super::*;

const TEXT: &str = ": keep-alive\n\nid: 7-1\nevent: config\ndata: {\"id\":\"7-1\",\"time\":\"2026-11-21T16:35:12.042Z\",\
    \"kind\":\"config\",\"name\":\"started\",\"severity\":\"info\",\"message\":\"grüß\",\"messageId\":\"96a8\"}\n\n\
    event: gap\r\ndata: {\"missed\":4,\"message\":\"4 events are not kept any more\"}\r\n\r\n";

#[test]
fn events_and_gaps_are_heard_wherever_their_bytes_are_cut() {
    for size in 1..TEXT.len() {
        let mut heard = Vec::new();
        let mut stream = EventStream::new(|one| {
            heard.push(one);
            ControlFlow::Continue(())
        });
        for part in TEXT.as_bytes().chunks(size) {
            assert!(stream.push(&Bytes::copy_from_slice(part)).is_continue());
        }
        assert_eq!(stream.problem(), None);
        let [Heard::Event(event), Heard::Gap(gap)] = heard.as_slice() else {
            panic!("{heard:?}");
        };
        assert_eq!((event.message.as_str(), gap.missed), ("grüß", Some(4)));
    }
}

#[test]
fn who_has_heard_enough_hears_no_more() {
    let mut count = 0;
    let mut stream = EventStream::new(|_| {
        count += 1;
        ControlFlow::Break(())
    });
    assert!(stream.push(&Bytes::from(TEXT)).is_break());
    assert_eq!(count, 1);
}

#[test]
fn what_is_no_event_is_a_problem() {
    for text in ["event: config\ndata: {}\n\n", "data: hello\n\n"] {
        let mut stream = EventStream::new(|_| ControlFlow::Continue(()));
        assert!(stream.push(&Bytes::from(text)).is_break());
        assert!(stream.problem().is_some());
    }
}
