//! Who asks: peer credentials over the unix socket, the listener's role over TCP.

use std::ffi::CString;
use std::net::SocketAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};

use super::failure::Failure;
use crate::control::Actor;

/// What somebody may do. The order is power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look.
    Viewer,
    /// Look and change.
    Admin,
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// None: may do nothing.
    pub role: Option<Role>,
    pub actor: Actor,
    /// What to do for a greater role: the end of a refusal.
    pub remedy: &'static str,
    /// Over TCP browsers can be made to ask: Host and Origin must be loopback.
    pub from_network: bool,
}

/// The groups that have a role on the unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixGroups {
    pub admin: String,
    pub viewer: String,
}

impl Default for UnixGroups {
    fn default() -> Self {
        Self {
            admin: "loxid-admin".into(),
            viewer: "loxid".into(),
        }
    }
}

impl Identity {
    /// Root and the daemon's own user are admins; others have the role of their groups.
    pub fn of_peer(uid: u32, gid: u32, groups: &UnixGroups) -> Self {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let user = User::from_uid(uid).ok().flatten();
        let who = match &user {
            Some(user) => format!("{} (uid {uid})", user.name),
            None => format!("uid {uid}"),
        };
        let role = match uid.is_root() || uid == geteuid() {
            true => Some(Role::Admin),
            false => role_of_groups(&member_of(user.as_ref(), gid), groups),
        };
        Self {
            role,
            actor: Actor {
                who,
                from: "unix".into(),
            },
            remedy: "be root, or a member of the group loxid-admin (changes) or loxid (looking)",
            from_network: false,
        }
    }

    /// Anybody who can connect has the listener's role.
    pub fn of_network(peer: SocketAddr, role: Role) -> Self {
        Self {
            role: Some(role),
            actor: Actor {
                who: "anyone".into(),
                from: peer.to_string(),
            },
            remedy: "use the unix socket, or set `loopbackRole: admin` in the configuration file",
            from_network: true,
        }
    }
}

fn member_of(user: Option<&User>, gid: Gid) -> Vec<Gid> {
    let listed = user
        .and_then(|user| CString::new(user.name.as_str()).ok())
        .and_then(|name| getgrouplist(&name, gid).ok());
    listed.unwrap_or_else(|| vec![gid])
}

fn role_of_groups(member_of: &[Gid], groups: &UnixGroups) -> Option<Role> {
    let is_member = |name: &str| {
        let group = Group::from_name(name).ok().flatten();
        group.is_some_and(|group| member_of.contains(&group.gid))
    };
    if is_member(&groups.admin) {
        return Some(Role::Admin);
    }
    is_member(&groups.viewer).then_some(Role::Viewer)
}

/// Extracted by routes that change something: refuses everybody else before the body is read.
pub(super) struct Admin(pub(super) Actor);

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let identity = identity(parts)?;
        if identity.role == Some(Role::Admin) {
            return Ok(Self(identity.actor.clone()));
        }
        let message = format!("{} may look, but not change anything", identity.actor);
        Err(Failure::forbidden(message)
            .rule("changes need the role admin")
            .remedy(identity.remedy))
    }
}

/// The identity that the listener put into the request.
pub(super) fn identity(parts: &Parts) -> Result<&Identity, Failure> {
    let identity = parts.extensions.get::<Identity>();
    identity.ok_or_else(|| Failure::forbidden("it is not known who asks"))
}
