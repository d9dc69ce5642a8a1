use super::*;

#[test]
fn an_id_is_read_as_it_was_written() {
    let id = EventId {
        run: 1_763_740_000_000,
        number: 17,
    };
    assert_eq!(id.to_string().parse(), Ok(id));
    for text in [
        "", "-", "1", "1-", "-1", "x-1", "1-x", "01-1", "1-+1", "1-1-1",
    ] {
        assert!(text.parse::<EventId>().is_err(), "{text}");
    }
}

#[test]
fn every_kind_is_found_by_its_word() {
    for kind in EventKind::ALL {
        assert_eq!(EventKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(EventKind::parse("weather"), None);
}
