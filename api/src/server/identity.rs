//! Who asks: peer credentials over the unix socket, a token, a client's certificate, or else the
//! listener's role.

use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};

use super::failure::Failure;
use crate::control::Actor;
use crate::role::Role;
use crate::token::Token;

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// None: may do nothing.
    pub role: Option<Role>,
    pub actor: Actor,
    /// What to do for a greater role: the end of a refusal.
    pub remedy: &'static str,
    pub peer: Peer,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The user's id.
    Unix(u32),
    /// In the clear, which is for loopback only: browsers can be made to ask, so Host and Origin
    /// must be loopback.
    Loopback(SocketAddr),
    Tls(SocketAddr),
}

/// Whom limits are for: a user of this box, an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Client {
    User(u32),
    V4(Ipv4Addr),
    V6(u64),
}

impl Client {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6((u128::from(address) >> 64) as u64),
        }
    }
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
        let (user_id, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let user = User::from_uid(user_id).ok().flatten();
        let who = match &user {
            Some(user) => format!("{} (uid {uid})", user.name),
            None => format!("uid {uid}"),
        };
        let role = match user_id.is_root() || user_id == geteuid() {
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
            peer: Peer::Unix(uid),
        }
    }

    /// Anybody who can connect has the listener's role.
    pub fn of_loopback(peer: SocketAddr, role: Role) -> Self {
        Self {
            role: Some(role),
            actor: Actor {
                who: "anyone".into(),
                from: peer.to_string(),
            },
            remedy: "use the unix socket, or a token, or set `loopbackRole: admin` in the configuration file",
            peer: Peer::Loopback(peer),
        }
    }

    /// Nobody has a role without a token, but for holders of a certificate that the listener
    /// trusts: its subject, and their role.
    pub fn of_tls(peer: SocketAddr, certificate: Option<(String, Role)>) -> Self {
        let (who, role) = match certificate {
            Some((subject, role)) => (format!("certificate {subject}"), Some(role)),
            None => ("anyone".to_owned(), None),
        };
        Self {
            role,
            actor: Actor {
                who,
                from: peer.to_string(),
            },
            remedy: "show a token (loxictl --token-file FILE); `loxictl token create` on the box makes one",
            peer: Peer::Tls(peer),
        }
    }

    /// The same, having shown a token: who they are, and what they may do, is the token's.
    pub(super) fn with_token(self, token: &Token) -> Self {
        Self {
            role: Some(token.role),
            actor: Actor {
                who: format!("token {}", token.name),
                ..self.actor
            },
            remedy: "use a token with that role; `loxictl token create` on the box makes one",
            peer: self.peer,
        }
    }

    /// None: no limits are for admins of this box, over its socket.
    pub(super) fn limited(&self) -> Option<Client> {
        match self.peer {
            Peer::Unix(_) if self.role == Some(Role::Admin) => None,
            _ => Some(self.client()),
        }
    }

    pub(super) fn client(&self) -> Client {
        match self.peer {
            Peer::Unix(uid) => Client::User(uid),
            Peer::Loopback(peer) | Peer::Tls(peer) => Client::of(peer.ip()),
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

/// Extracted by routes that change something. That they may was decided by `rights`.
pub(super) struct Caller(pub(super) Actor);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        identity(parts).map(|identity| Self(identity.actor.clone()))
    }
}

/// The identity that `access` put into the request.
pub(super) fn identity(parts: &Parts) -> Result<&Identity, Failure> {
    let identity = parts.extensions.get::<Identity>();
    identity.ok_or_else(|| Failure::forbidden("it is not known who asks"))
}
