//! Tokens: made once by a name, kept over a restart, and gone when they are revoked.

use lb_api::token::Secret;
use lb_api::wire::{NewToken, Role};

use super::*;

fn make(world: &mut World, name: &str) -> Result<Secret, ControlError> {
    let token = NewToken {
        name: name.into(),
        role: Role::Operator,
        expires_in: Some(3600),
    };
    let made = world.ask(|reply| Command::CreateToken {
        token,
        actor: actor(),
        reply,
    });
    made.map(|(secret, _)| secret)
}

fn revoke(world: &mut World, name: &str) -> Result<(), ControlError> {
    let name = name.to_owned();
    world.ask(|reply| Command::RevokeToken {
        name,
        actor: actor(),
        reply,
    })
}

fn is_valid(world: &World, secret: &Secret) -> bool {
    let state = world.daemon.state();
    state
        .tokens
        .check(secret.expose(), seconds_since_epoch())
        .is_ok()
}

#[test]
fn a_token_is_valid_when_it_is_answered_and_after_a_restart_until_it_is_revoked() {
    let mut world = World::new("");
    let ci = make(&mut world, "ci").unwrap();
    let me = make(&mut world, "me").unwrap();
    assert_ne!(ci, me);
    assert!(is_valid(&world, &ci));
    let mut world = world.restarted("");
    assert!(is_valid(&world, &ci) && is_valid(&world, &me));
    revoke(&mut world, "ci").unwrap();
    assert!(!is_valid(&world, &ci) && is_valid(&world, &me));
    let world = world.restarted("");
    assert!(!is_valid(&world, &ci), "what was revoked comes back");
}

#[test]
fn a_name_is_given_once_and_only_what_is_there_is_revoked() {
    let mut world = World::new("");
    let first = make(&mut world, "ci").unwrap();
    let again = make(&mut world, "ci").unwrap_err();
    assert!(matches!(again, ControlError::Conflict { .. }), "{again}");
    assert!(
        again.to_string().contains("loxictl token revoke ci"),
        "{again}"
    );
    assert!(is_valid(&world, &first));
    let missing = revoke(&mut world, "me").unwrap_err();
    assert!(
        matches!(missing, ControlError::NotFound { .. }),
        "{missing}"
    );
    let bad = make(&mut world, "../x").unwrap_err();
    assert!(matches!(bad, ControlError::Invalid(_)), "{bad}");
}
