//! TLS 1.3 for listeners that others can reach: certificate and key from files, read again when
//! they change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, version};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::private_file;
use crate::role::Role;
use crate::wire::Timestamp;

#[cfg(test)]
mod tests;

/// Where they are. All in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's own first, then those between it and the CA's.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Whose certificates clients may show instead of a token.
    pub client_ca: Option<PathBuf>,
}

/// A file that cannot be served with. Displayed as `certificate: /x expired ...: rule; remedy`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {} {reason}; {remedy}", path.display())]
pub struct TlsError {
    /// `certificate`, `key` or `clientCa`.
    pub field: &'static str,
    pub path: PathBuf,
    pub reason: String,
    pub remedy: String,
}

/// What a listener shows, and whom it lets in.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    /// Of clients with a certificate of `client_ca`.
    client_role: Role,
    loaded: RwLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// Seconds since the epoch.
    expires: u64,
    /// Of the files when they were read last, well or not.
    stamps: Vec<Option<Stamp>>,
    /// Why what was read last is not served.
    problem: Option<TlsError>,
}

/// Changes whenever a file does: device, inode, size, time of change in ns.
type Stamp = (u64, u64, u64, i64, i64);

impl Tls {
    /// `now`: seconds since the epoch.
    pub fn load(files: TlsFiles, client_role: Role, now: u64) -> Result<Self, TlsError> {
        let stamps = stamps(&files);
        let (config, expires) = read(&files, now)?;
        let loaded = Loaded {
            config,
            expires,
            stamps,
            problem: None,
        };
        Ok(Self {
            files,
            client_role,
            loaded: RwLock::new(loaded),
        })
    }

    /// Reads the files again if they changed; connections that are made after this get what they
    /// say. What cannot be served with changes nothing. True: they changed.
    pub fn refresh(&self, now: u64) -> Result<bool, TlsError> {
        let stamps = stamps(&self.files);
        if self.loaded().stamps == stamps {
            return Ok(false);
        }
        let result = read(&self.files, now);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.stamps = stamps;
        match result {
            Ok((config, expires)) => {
                (loaded.config, loaded.expires, loaded.problem) = (config, expires, None);
                Ok(true)
            }
            Err(error) => {
                loaded.problem = Some(error.clone());
                Err(error)
            }
        }
    }

    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// When the certificate that is shown expires, seconds since the epoch.
    pub fn expires(&self) -> u64 {
        self.loaded().expires
    }

    /// Why the files are not served as they are: those before are.
    pub fn problem(&self) -> Option<TlsError> {
        self.loaded().problem.clone()
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.loaded().config.clone()
    }

    /// The name of a client's certificate, which the handshake has verified, and its role.
    pub(super) fn client(&self, chain: Option<&[CertificateDer<'_>]>) -> Option<(String, Role)> {
        let certificate = Certificate::from_der(chain?.first()?).ok()?;
        let subject = certificate.tbs_certificate.subject.to_string();
        Some((subject, self.client_role))
    }

    fn loaded(&self) -> std::sync::RwLockReadGuard<'_, Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamps(files: &TlsFiles) -> Vec<Option<Stamp>> {
    let stamp = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        let changed = (file.ctime(), file.ctime_nsec());
        Some((file.dev(), file.ino(), file.size(), changed.0, changed.1))
    };
    let ca = files.client_ca.iter();
    [&files.certificate, &files.key]
        .into_iter()
        .chain(ca)
        .map(|path| stamp(path))
        .collect()
}

fn read(files: &TlsFiles, now: u64) -> Result<(Arc<ServerConfig>, u64), TlsError> {
    let path = &files.certificate;
    let wrong = |reason: String, remedy: &str| error("certificate", path, reason, remedy);
    let chain = certificates("certificate", path)?;
    let expires = check_validity(&chain, now).map_err(|(reason, remedy)| wrong(reason, remedy))?;
    let key = private_key(&files.key)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])
        .expect("the provider has suites of TLS 1.3");
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(roots("clientCa", path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .allow_unauthenticated()
                .build();
            let remedy = "name the certificate of the CA that signs clients' certificates";
            builder.with_client_cert_verifier(
                verifier
                    .map_err(|e| error("clientCa", path, format!("is of no use: {e}"), remedy))?,
            )
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => error(
            "key",
            &files.key,
            format!("is not the key of {}", path.display()),
            "name the key that the certificate was made for",
        ),
        other => wrong(
            format!("is of no use: {other}"),
            "make a certificate for a server, of version 3, with an ECDSA, Ed25519 or RSA key",
        ),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), expires))
}

/// When the first of them expires that the server shows.
fn check_validity(chain: &[CertificateDer<'_>], now: u64) -> Result<u64, (String, &'static str)> {
    let mut expires = u64::MAX;
    for der in chain {
        let certificate = Certificate::from_der(der)
            .map_err(|e| (format!("is no certificate: {e}"), "make it anew"))?;
        let validity = certificate.tbs_certificate.validity;
        let at = |seconds: u64| Timestamp(seconds.saturating_mul(1000));
        let (begins, ends) = (
            validity.not_before.to_unix_duration().as_secs(),
            validity.not_after.to_unix_duration().as_secs(),
        );
        let subject = certificate.tbs_certificate.subject;
        if ends <= now {
            let reason = format!("({subject}) expired at {}", at(ends));
            return Err((reason, "a certificate must be valid: renew it"));
        }
        if begins > now {
            let reason = format!("({subject}) begins at {}", at(begins));
            let remedy = "a certificate must be valid: look at the clock, or make it anew";
            return Err((reason, remedy));
        }
        expires = expires.min(ends);
    }
    Ok(expires)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes =
        private_file::read(path).map_err(|e| error("key", path, e.to_string(), &e.remedy(path)))?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        let remedy = "name the file with the private key, without a pass phrase";
        error("key", path, "has no private key in PEM".into(), remedy)
    })
}

fn roots(field: &'static str, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(field, path)? {
        roots.add(certificate).map_err(|e| {
            let remedy = "name a file with certificates of CAs";
            error(
                field,
                path,
                format!("has no certificate of a CA: {e}"),
                remedy,
            )
        })?;
    }
    Ok(roots)
}

fn certificates(
    field: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = fs::read(path).map_err(|e| {
        let remedy = "name a file that loxid may read";
        error(field, path, format!("cannot be read: {e}"), remedy)
    })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => {
            let remedy = "name a file that begins with -----BEGIN CERTIFICATE-----";
            Err(error(
                field,
                path,
                "has no certificate in PEM".into(),
                remedy,
            ))
        }
    }
}

fn error(field: &'static str, path: &Path, reason: String, remedy: &str) -> TlsError {
    TlsError {
        field,
        path: path.to_owned(),
        reason,
        remedy: remedy.to_owned(),
    }
}
