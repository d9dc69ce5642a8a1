//! Listeners that others can reach: with TLS, or not at all.

use std::net::SocketAddr;
use std::path::PathBuf;

use lb_api::server::{Role, Tls, TlsFiles};
use serde_saphyr::{Location, Spanned};

use super::{Check, raw};
use crate::clock::seconds_since_epoch;

/// A listener with TLS. Who connects needs a token, or a certificate of `files.client_ca`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WideListener {
    pub address: SocketAddr,
    pub files: TlsFiles,
    /// Of clients with a certificate.
    pub client_role: Role,
}

impl Check {
    pub(super) fn listeners(&mut self, raw: Vec<raw::Listen>) -> Vec<WideListener> {
        let mut listeners = Vec::<WideListener>::new();
        for (index, raw) in raw.into_iter().enumerate() {
            let path = format!("api.listen[{index}]");
            let at = raw.address.referenced;
            let Some(listener) = self.listener(&path, raw) else {
                continue;
            };
            let address = listener.address;
            if listeners.iter().any(|other| other.address == address) {
                let remedy = "keep one of the two";
                self.wrong(
                    at,
                    format!("{path}.address: {address} is there twice: {remedy}"),
                );
            }
            listeners.push(listener);
        }
        listeners
    }

    fn listener(&mut self, path: &str, raw: raw::Listen) -> Option<WideListener> {
        let at = raw.address.referenced;
        let value = &raw.address.value;
        let Ok(address) = value.parse::<SocketAddr>() else {
            let remedy = "write ADDRESS:PORT, such as 192.0.2.10:8443 or [::]:8443";
            self.wrong(
                at,
                format!("{path}.address: {value:?} is no address with a port: {remedy}"),
            );
            return None;
        };
        let (Some(certificate), Some(key)) = (&raw.certificate, &raw.key) else {
            let missing = match raw.certificate {
                None => "certificate",
                Some(_) => "key",
            };
            self.wrong(
                at,
                format!(
                    "{path}.address: {address} has no TLS, because there is no {missing}: tokens would be sent in \
                     the clear; name certificate and key, both in PEM, or use api.tcp for loopback"
                ),
            );
            return None;
        };
        if let (Some(role), None) = (&raw.client_role, &raw.client_ca) {
            let remedy = "name clientCa, whose certificates have that role, or leave it out";
            self.wrong(
                role.referenced,
                format!("{path}.clientRole: there is no clientCa: {remedy}"),
            );
        }
        let listener = WideListener {
            address,
            files: TlsFiles {
                certificate: self.file(path, "certificate", certificate)?,
                key: self.file(path, "key", key)?,
                client_ca: match &raw.client_ca {
                    Some(file) => Some(self.file(path, "clientCa", file)?),
                    None => None,
                },
            },
            client_role: raw
                .client_role
                .map_or(Role::Viewer, |role| role.value.into()),
        };
        let (files, role) = (listener.files.clone(), listener.client_role);
        if let Err(error) = Tls::load(files, role, seconds_since_epoch()) {
            let at = match error.field {
                "key" => key.referenced,
                "clientCa" => raw.client_ca.map_or(Location::UNKNOWN, |ca| ca.referenced),
                _ => certificate.referenced,
            };
            self.wrong(at, format!("{path}.{error}"));
        }
        Some(listener)
    }

    fn file(&mut self, path: &str, key: &str, raw: &Spanned<String>) -> Option<PathBuf> {
        let file = PathBuf::from(&raw.value);
        if file.is_absolute() {
            return Some(file);
        }
        let value = &raw.value;
        self.wrong(
            raw.referenced,
            format!("{path}.{key}: {value:?} is not absolute: start it with /"),
        );
        None
    }
}

#[cfg(test)]
mod tests;
