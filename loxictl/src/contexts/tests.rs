#![allow(clippy::unwrap_used)]

use lb_api::client::contexts::Context;

use super::*;

fn contexts(current: Option<&str>) -> Contexts {
    let context = |name: &str| Context {
        server: format!("https://{name}:8443").parse().unwrap(),
        credentials: CredentialFiles {
            token_file: Some(format!("/{name}.token").into()),
            ca_file: Some("/ca.pem".into()),
            ..CredentialFiles::default()
        },
    };
    Contexts {
        current: current.map(str::to_owned),
        contexts: ["edge1", "edge2"]
            .map(|name| (name.to_owned(), context(name)))
            .into(),
    }
}

#[test]
fn a_named_context_goes_before_the_current_one_and_that_before_this_box() {
    let none = CredentialFiles::default;
    let server = |contexts: &Contexts, named| {
        choose(contexts, named, none()).map(|(server, _)| server.to_string())
    };
    assert_eq!(server(&contexts(None), None).unwrap(), DEFAULT_SERVER);
    assert_eq!(
        server(&contexts(Some("edge1")), None).unwrap(),
        "https://edge1:8443"
    );
    assert_eq!(
        server(&contexts(Some("edge1")), Some("edge2")).unwrap(),
        "https://edge2:8443"
    );
    let unknown = server(&contexts(None), Some("edge3"))
        .unwrap_err()
        .to_string();
    assert!(unknown.contains("there are edge1, edge2"), "{unknown}");
}

#[test]
fn what_the_command_line_says_of_files_goes_before_the_context() {
    let said = CredentialFiles {
        token_file: Some("/mine".into()),
        ..CredentialFiles::default()
    };
    let (_, files) = choose(&contexts(Some("edge1")), None, said).unwrap();
    assert_eq!(files.token_file, Some("/mine".into()));
    assert_eq!(files.ca_file, Some("/ca.pem".into()));
}

#[test]
fn the_box_itself_gets_no_token_of_a_context() {
    let (_, files) = choose(&contexts(None), None, CredentialFiles::default()).unwrap();
    assert_eq!(files, CredentialFiles::default());
}
