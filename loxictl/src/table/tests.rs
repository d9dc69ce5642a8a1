use super::*;

const COLUMNS: &[Column] = &[column("SERVICE"), wide("NAME"), column("READY")];

fn rows() -> Vec<Vec<Cell>> {
    vec![
        vec![
            "20.20.20.1:2020/tcp".into(),
            "web".into(),
            Cell::toned("True", Tone::Good),
        ],
        vec![
            "20.20.20.2:53/udp".into(),
            Cell::maybe(None::<&str>),
            Cell::toned("False", Tone::Bad),
        ],
    ]
}

#[test]
fn columns_are_aligned_without_borders_or_trailing_space() {
    assert_eq!(
        Table::new(COLUMNS, false, false).block(rows()),
        "SERVICE               READY\n\
         20.20.20.1:2020/tcp   True\n\
         20.20.20.2:53/udp     False\n"
    );
}

#[test]
fn wide_adds_columns_in_their_place() {
    assert_eq!(
        Table::new(COLUMNS, true, false).block(rows()),
        "SERVICE               NAME   READY\n\
         20.20.20.1:2020/tcp   web    True\n\
         20.20.20.2:53/udp     -      False\n"
    );
}

#[test]
fn later_blocks_have_no_header_and_keep_the_widths() {
    let mut table = Table::new(COLUMNS, false, false);
    table.block(rows());
    assert_eq!(
        table.block(vec![vec![
            "1.1.1.1:1/tcp".into(),
            "-".into(),
            "True".into()
        ]]),
        "1.1.1.1:1/tcp         True\n"
    );
}

#[test]
fn a_table_without_rows_is_its_header() {
    assert_eq!(
        Table::new(COLUMNS, false, false).block(vec![]),
        "SERVICE   READY\n"
    );
}

#[test]
fn colour_is_there_only_when_asked_for() {
    assert!(
        Table::new(COLUMNS, false, true)
            .block(rows())
            .contains("\u{1b}[")
    );
    assert!(
        !Table::new(COLUMNS, false, false)
            .block(rows())
            .contains('\u{1b}')
    );
}

#[test]
fn long_values_are_never_wrapped() {
    let long = "x".repeat(400);
    let block = Table::new(COLUMNS, false, false).block(vec![vec![
        long.clone().into(),
        "-".into(),
        "True".into(),
    ]]);
    assert!(block.contains(&long));
}
