use super::*;

fn side(blocks: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
    blocks
        .iter()
        .map(|(key, text)| (*key, (*text).to_owned()))
        .collect()
}

#[test]
fn equal_documents_have_no_difference() {
    let document = side(&[("a", "vip: 1\nport: 2\n"), ("b", "vip: 3\n")]);
    assert_eq!(diff(&document, &document), "");
    assert_eq!(diff(&side(&[]), &side(&[])), "");
}

#[test]
fn a_service_that_comes_or_goes_is_shown_whole() {
    assert_eq!(
        diff(
            &side(&[("a", "vip: 1\nport: 2\n")]),
            &side(&[("b", "vip: 3\n")])
        ),
        "@@ a @@\n-vip: 1\n-port: 2\n@@ b @@\n+vip: 3\n"
    );
}

#[test]
fn a_changed_line_has_its_neighbours_around_it() {
    let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    assert_eq!(
        diff(
            &side(&[("a", old)]),
            &side(&[("a", &old.replace('5', "five"))])
        ),
        "@@ a @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
    );
}

#[test]
fn changes_far_apart_are_hunks_of_their_own() {
    let old: String = (1..=20).map(|line| format!("{line}\n")).collect();
    let new = old
        .replace("1\n2\n", "one\n2\n")
        .replace("19\n20\n", "19\n");
    let text = diff(&side(&[("a", &old)]), &side(&[("a", &new)]));
    assert_eq!(text.matches("@@ a @@").count(), 2, "{text}");
    assert!(text.contains("-20\n"), "{text}");
}

#[test]
fn what_is_kept_and_added_is_the_new_text_and_what_is_kept_and_removed_the_old() {
    let words = ["a", "b", "c", "a", "b", "x", "c", "y", "a"];
    for split in 0..words.len() {
        for length in 0..words.len() {
            let (old, new) = (&words[split..], &words[..length]);
            let lines = compare(old, new);
            let pick = |wanted: fn(Line<'static>) -> Option<&'static str>| {
                lines
                    .iter()
                    .filter_map(|line| wanted(*line))
                    .collect::<Vec<_>>()
            };
            let before = pick(|line| match line {
                Line::Kept(text) | Line::Removed(text) => Some(text),
                Line::Added(_) => None,
            });
            let after = pick(|line| match line {
                Line::Kept(text) | Line::Added(text) => Some(text),
                Line::Removed(_) => None,
            });
            assert_eq!((before.as_slice(), after.as_slice()), (old, new));
        }
    }
}
