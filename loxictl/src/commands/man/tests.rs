use super::*;

#[test]
fn notes_keep_their_lines_and_say_nothing_to_roff() {
    assert_eq!(
        as_it_is("Example:\n  a --b\n.c\n'd \\ e"),
        ".SH NOTES\n.nf\nExample:\n  a \\-\\-b\n\\&.c\n\\&'d \\e e\n.fi\n"
    );
}
