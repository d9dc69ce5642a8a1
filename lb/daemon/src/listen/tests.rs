#![allow(clippy::unwrap_used)]

use lb_api::server::{Role, TlsFiles};
use lb_api::token::{Secret, Token};

use super::*;
use crate::cli::Options;
use crate::config::WideListener;

fn config(client_ca: Option<&str>) -> Config {
    let mut config = Config::parse("", None, &Options::default()).unwrap();
    config.listen.push(WideListener {
        address: "0.0.0.0:8443".parse().unwrap(),
        files: TlsFiles {
            certificate: "/cert.pem".into(),
            key: "/key.pem".into(),
            client_ca: client_ca.map(Into::into),
        },
        client_role: Role::Viewer,
    });
    config
}

#[test]
fn a_wide_listener_for_nobody_is_refused_with_field_value_rule_and_remedy() {
    let refused = check(&config(None), Some(&Tokens::default())).unwrap_err();
    for part in [
        "api.listen[0].address",
        "0.0.0.0:8443",
        "a listener beyond loopback needs tokens",
        "loxictl token create NAME --role ROLE",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[test]
fn tokens_or_a_ca_of_clients_are_enough() {
    let hash = Secret::from_random([1; 32]).hash();
    let expired = Token::new("ci".into(), Role::Viewer, hash, 1, Some(2), 0);
    let tokens = Tokens::default().with(Arc::new(expired));
    // A box whose tokens have expired must come up again after a power failure.
    assert_eq!(check(&config(None), Some(&tokens)), Ok(()));
    assert_eq!(
        check(&config(None), None),
        Ok(()),
        "their file is damaged, which is said"
    );
    assert_eq!(
        check(&config(Some("/ca.pem")), Some(&Tokens::default())),
        Ok(())
    );
    let without = Config::parse("", None, &Options::default()).unwrap();
    assert_eq!(check(&without, Some(&Tokens::default())), Ok(()));
}
