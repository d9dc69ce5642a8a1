#![allow(clippy::unwrap_used)]

use lb_api::wire::DocumentStatus;

use super::*;

fn documents() -> Vec<DocumentStatus> {
    let document = |source: &str, generation, services| DocumentStatus {
        source: source.into(),
        generation,
        services,
    };
    vec![document("file", 1, 2), document("api", 12, 0)]
}

fn printed(format: Format, parts: &[&[DocumentStatus]]) -> String {
    let output = Output {
        format,
        terminal: false,
        colour: false,
        held: RefCell::default(),
    };
    let mut listing = output.listing::<DocumentStatus>();
    let mut text: String = parts
        .iter()
        .map(|part| listing.block(part).unwrap())
        .collect();
    text += listing.end();
    text
}

#[test]
fn a_list_has_these_forms() {
    let documents = documents();
    let table =
        "SOURCE   GENERATION   SERVICES\nfile     1            2\napi      12           0\n";
    assert_eq!(printed(Format::Table, &[&documents]), table);
    assert_eq!(printed(Format::Wide, &[&documents]), table);
    assert_eq!(printed(Format::Name, &[&documents]), "file\napi\n");
    assert_eq!(
        printed(Format::Json, &[&documents]),
        "[\n  {\n    \"source\": \"file\",\n    \"generation\": 1,\n    \"services\": 2\n  },\n  {\n    \
         \"source\": \"api\",\n    \"generation\": 12,\n    \"services\": 0\n  }\n]\n"
    );
    assert_eq!(
        printed(Format::Yaml, &[&documents]),
        "- source: file\n  generation: 1\n  services: 2\n- source: api\n  generation: 12\n  services: 0\n"
    );
}

#[test]
fn an_empty_list_is_an_empty_list_for_programs_and_nothing_for_people() {
    assert_eq!(printed(Format::Table, &[&[]]), "");
    assert_eq!(printed(Format::Name, &[&[]]), "");
    assert_eq!(printed(Format::Json, &[&[]]), "[]\n");
    assert_eq!(printed(Format::Yaml, &[&[]]), "[]\n");
}

#[test]
fn a_list_in_parts_is_the_list() {
    let documents = documents();
    let parts: [&[DocumentStatus]; 4] = [&[], &documents[..1], &[], &documents[1..]];
    for format in [Format::Table, Format::Name, Format::Json, Format::Yaml] {
        assert_eq!(
            printed(format, &parts).replace("api    ", "api      "),
            printed(format, &[&documents]).replace("api    ", "api      ")
        );
    }
}
