#![allow(clippy::unwrap_used)]

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    inner: Vec<Inner>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    a: u8,
    #[serde(default)]
    text: String,
}

fn yaml_error(text: &str) -> String {
    yaml::<Outer>(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn an_unknown_key_has_its_own_place() {
    let table = [
        (
            "inner:\n- a: 1\n  b: 2\n",
            "line 3, column 3: inner[0].b: unknown field `b`",
        ),
        (
            "inner:\n- b: 2\n",
            "line 2, column 3: inner[0].b: unknown field `b`",
        ),
        (
            "inner:\n- a: 1\n  'b' : 2\n",
            "line 3, column 3: inner[0].b: unknown field `b`",
        ),
        (
            "inner: []\n# b: 1\nb: 2\n",
            "line 3, column 1: b: unknown field `b`",
        ),
        (
            "inner:\n- a: 1\n  text: |\n    b: 1\n  b: 2\n",
            "line 5, column 3: inner[0].b: unknown field `b`",
        ),
        // In flow style, where the mapping begins.
        (
            "inner: [{a: 1, b: 2}]\n",
            "line 1, column 10: inner[0].b: unknown field `b`",
        ),
    ];
    for (text, start) in table {
        let error = yaml_error(text);
        assert!(error.starts_with(start), "{text}: {error}");
    }
}

#[test]
fn an_error_has_line_column_and_path() {
    let table = [
        ("inner:\n- a: 300\n", "line 2, column 6: inner[0].a: "),
        ("inner:\n- a: x\n", "line 2, column 6: inner[0].a: "),
        ("inner:\n- a: 1\n  a: 2\n", "line 3, column 3: "),
        (
            "inner:\n- text: x\n",
            "line 2, column 3: inner[0]: missing field `a`",
        ),
    ];
    for (text, start) in table {
        let error = yaml_error(text);
        assert!(error.starts_with(start), "{text}: {error}");
    }
    let error = json::<Outer>(b"{\"inner\":\n[{\"a\":300}]}")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("line 2, column 9: inner[0].a: invalid value"),
        "{error}"
    );
}

#[test]
fn bytes_that_are_not_utf8_have_a_place() {
    let error = yaml::<Outer>(b"inner:\n- a: 1\n  text: \xc3\xa9\xff").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 3, column 10: byte 0xff is not UTF-8"
    );
}

#[test]
fn markers_within_a_scalar_are_no_documents() {
    let text = "%YAML 1.2\n---\n# x\ninner:\n- a: 1\n  text: |\n    ---\n    ...\n...\n# end\n";
    let outer: Outer = yaml(text.as_bytes()).unwrap();
    assert_eq!(outer.inner[0].text, "---\n...\n");
}

#[test]
fn aliases_do_not_multiply_what_was_sent() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        text.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![alias; 9].join(",")
        ));
    }
    assert!(yaml::<serde_json::Value>(text.as_bytes()).is_err());
}

#[test]
fn a_large_document_is_parsed() {
    let text = format!("inner:\n{}", "- a: 1\n".repeat(400_000));
    assert_eq!(yaml::<Outer>(text.as_bytes()).unwrap().inner.len(), 400_000);
}
