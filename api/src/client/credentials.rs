//! What a client proves itself with, and whom it trusts. All of it comes from files: what is on a
//! command line everybody can read.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, version};
use serde::{Deserialize, Serialize};

use super::Target;
use crate::private_file;
use crate::token::Secret;

#[cfg(test)]
mod tests;

/// The CAs that the system trusts, where Debian and its kin have them.
const SYSTEM_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CredentialFiles {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Who may have signed the server's certificate. None: the CAs that the system trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// A certificate of the client's own, with its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

/// Nothing of a secret is ever displayed.
#[derive(Clone, Default)]
pub struct Credentials {
    token: Option<Secret>,
    tls: Option<Arc<ClientConfig>>,
}

/// A file that is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {}: {reason}", path.display())]
pub struct CredentialError {
    /// `token file`, `CA file`, `certificate file` or `key file`.
    pub what: &'static str,
    pub path: PathBuf,
    pub reason: String,
    pub remedy: String,
}

impl Credentials {
    /// Reads what is needed for this target.
    pub fn load(files: &CredentialFiles, target: &Target) -> Result<Self, CredentialError> {
        let token = files.token_file.as_deref().map(token).transpose()?;
        let tls = match target {
            Target::Https { .. } => Some(Arc::new(tls(files)?)),
            Target::Unix(_) | Target::Http { .. } => None,
        };
        Ok(Self { token, tls })
    }

    pub(super) fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    pub(super) fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.tls.clone()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

fn token(path: &Path) -> Result<Secret, CredentialError> {
    let bytes = private(path, "token file")?;
    let text = std::str::from_utf8(&bytes).ok();
    text.and_then(|text| Secret::parse(text.trim()))
        .ok_or_else(|| {
            let remedy =
                "a token is loxid_ and 64 hexadecimal digits, and nothing else is in the file";
            error("token file", path, "has no token", remedy)
        })
}

fn tls(files: &CredentialFiles) -> Result<ClientConfig, CredentialError> {
    let ca = files.ca_file.as_deref().unwrap_or(Path::new(SYSTEM_CAS));
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates("CA file", ca)?);
    if added == 0 {
        let remedy = "name the certificate of the CA that signed the server's";
        return Err(error("CA file", ca, "has no certificate of a CA", remedy));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .expect("the provider has suites of TLS 1.3")
        .with_root_certificates(roots);
    match (&files.certificate_file, &files.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(path), None) | (None, Some(path)) => {
            let remedy = "give both: --cert-file and --key-file";
            Err(error(
                "certificate file",
                path,
                "certificate or key is missing",
                remedy,
            ))
        }
        (Some(certificate), Some(key_file)) => {
            let chain = certificates("certificate file", certificate)?;
            let key = private(key_file, "key file")?;
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
                let remedy = "name the file with the private key, without a pass phrase";
                error("key file", key_file, "has no private key in PEM", remedy)
            })?;
            builder.with_client_auth_cert(chain, key).map_err(|e| {
                let remedy = "name the key that the certificate was made for";
                error("key file", key_file, &format!("is of no use: {e}"), remedy)
            })
        }
    }
}

fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    let bytes = fs::read(path).map_err(|e| {
        let remedy = "name a file with certificates in PEM";
        error(what, path, &format!("cannot be read: {e}"), remedy)
    })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => {
            let remedy = "name a file that begins with -----BEGIN CERTIFICATE-----";
            Err(error(what, path, "has no certificate in PEM", remedy))
        }
    }
}

fn private(path: &Path, what: &'static str) -> Result<Vec<u8>, CredentialError> {
    private_file::read(path).map_err(|e| error(what, path, &e.to_string(), &e.remedy(path)))
}

fn error(what: &'static str, path: &Path, reason: &str, remedy: &str) -> CredentialError {
    CredentialError {
        what,
        path: path.to_owned(),
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}
